package registry

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

// fakeBackend notes what it is configured with and answers as it is told.
type fakeBackend struct {
	info      plugins.Info
	detection plugins.Detection
	detectErr error
	configErr error

	configs []plugins.Config
}

func (b *fakeBackend) Info() plugins.Info { return b.info }
func (b *fakeBackend) Configure(_ context.Context, c plugins.Config) error {
	b.configs = append(b.configs, c)
	return b.configErr
}
func (b *fakeBackend) Detect(context.Context) (plugins.Detection, error) {
	if len(b.configs) == 0 {
		return plugins.Detection{}, errors.New("asked before it was configured")
	}
	return b.detection, b.detectErr
}
func (b *fakeBackend) Watch(context.Context, func(plugins.Change)) error { return nil }
func (b *fakeBackend) Close() error                                      { return nil }

type fakeNet struct{ fakeBackend }

func (*fakeNet) Plan(context.Context, []plugins.VIP) (plugins.Plan, error) {
	return plugins.Plan{}, nil
}
func (*fakeNet) Apply(context.Context, []plugins.VIP) error          { return nil }
func (*fakeNet) Observe(context.Context) ([]plugins.VIPState, error) { return nil, nil }

type fakeBGP struct{ fakeBackend }

func (*fakeBGP) Plan(context.Context, plugins.Speaker) (plugins.Plan, error) {
	return plugins.Plan{}, nil
}
func (*fakeBGP) Apply(context.Context, plugins.Speaker) error { return nil }
func (*fakeBGP) Observe(context.Context) (plugins.SpeakerState, error) {
	return plugins.SpeakerState{}, nil
}

func netNamed(name string, score int) *fakeNet {
	return &fakeNet{fakeBackend{
		info:      plugins.Info{Name: name, Kind: plugins.KindNet},
		detection: plugins.Detection{Score: score, Why: name + " is here"},
	}}
}

func bgpNamed(name string) *fakeBGP {
	return &fakeBGP{fakeBackend{info: plugins.Info{Name: name, Kind: plugins.KindBGP, Caps: []plugins.Cap{plugins.CapMD5}}}}
}

func registryOf(t *testing.T, nets []*fakeNet, bgps ...*fakeBGP) (r *Registry, stateDir string) {
	t.Helper()
	stateDir = filepath.Join(t.TempDir(), "state")
	var n []plugins.NetBackend
	for _, b := range nets {
		n = append(n, b)
	}
	var g []plugins.BGPBackend
	for _, b := range bgps {
		g = append(g, b)
	}
	return New(n, g, Options{StateDir: stateDir}), stateDir
}

func TestAutoTakesTheBestFit(t *testing.T) {
	broken := netNamed("broken", 99)
	broken.detectErr = errors.New("no such bus")
	tests := map[string]struct {
		nets    []*fakeNet
		want    string
		mention []string // in the error, when none is wanted
	}{
		"one":            {[]*fakeNet{netNamed("a", 10)}, "a", nil},
		"highest":        {[]*fakeNet{netNamed("a", 10), netNamed("b", 95), netNamed("c", 50)}, "b", nil},
		"tie below":      {[]*fakeNet{netNamed("a", 10), netNamed("b", 10), netNamed("c", 50)}, "c", nil},
		"tie":            {[]*fakeNet{netNamed("a", 50), netNamed("b", 50)}, "", []string{"a is here", "b is here", "score  50", `[network] backend = "NAME"`}},
		"none fits":      {[]*fakeNet{netNamed("a", 0)}, "", []string{"a is here"}},
		"none at all":    {nil, "", []string{"can't tell which"}},
		"broken is none": {[]*fakeNet{broken, netNamed("a", 10)}, "a", nil},
		"only broken":    {[]*fakeNet{broken}, "", []string{"no such bus"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, _ := registryOf(t, tt.nets)
			b, why, err := r.OpenNet(t.Context(), Auto, nil)
			if tt.want != "" {
				if err != nil || b.Info().Name != tt.want || why != tt.want+" is here" {
					t.Errorf("got %v, %q, %v; want %s", b, why, err, tt.want)
				}
				return
			}
			if !errors.Is(err, plugins.ErrUnsupported) {
				t.Fatalf("%v, want an ErrUnsupported", err)
			}
			for _, m := range tt.mention {
				if !strings.Contains(err.Error(), m) {
					t.Errorf("%q is missing in: %v", m, err)
				}
			}
		})
	}
}

func TestCandidatesBestFirst(t *testing.T) {
	broken := netNamed("broken", 0)
	broken.detectErr = errors.New("no such bus")
	r, _ := registryOf(t, []*fakeNet{netNamed("a", 10), netNamed("b", 50), broken, netNamed("c", 10)})
	var got []string
	for _, c := range r.Candidates(t.Context(), nil) {
		got = append(got, c.Name)
		if (c.Err != nil) != (c.Name == "broken") {
			t.Errorf("%s: error %v", c.Name, c.Err)
		}
	}
	if d := cmp.Diff([]string{"b", "a", "c", "broken"}, got); d != "" {
		t.Error(d)
	}
}

func TestOpenByName(t *testing.T) {
	r, _ := registryOf(t, []*fakeNet{netNamed("b", 0), netNamed("a", 95)}, bgpNamed("x"), bgpNamed("w"))
	n, why, err := r.OpenNet(t.Context(), "b", nil)
	if err != nil || n.Info().Name != "b" || why != "b is here" {
		t.Errorf("a name is taken at its word, whatever it scores: %v, %q, %v", n, why, err)
	}
	g, err := r.OpenBGP(t.Context(), "x", nil)
	if err != nil || g.Info().Name != "x" {
		t.Errorf("%v, %v", g, err)
	}
	if _, _, err := r.OpenNet(t.Context(), "nosuch", nil); err == nil || !strings.Contains(err.Error(), `"nosuch"; there are: a, b`) {
		t.Errorf("an unknown network backend: %v", err)
	}
	if _, err := r.OpenBGP(t.Context(), "nosuch", nil); err == nil || !strings.Contains(err.Error(), `"nosuch"; there are: w, x`) {
		t.Errorf("an unknown BGP backend: %v", err)
	}
}

func TestOpenNamesTheBackendThatFails(t *testing.T) {
	sick := netNamed("sick", 10)
	sick.detectErr = errors.New("no such bus")
	r, _ := registryOf(t, []*fakeNet{sick})
	if _, _, err := r.OpenNet(t.Context(), "sick", nil); !errors.Is(err, sick.detectErr) || !strings.Contains(err.Error(), "sick") {
		t.Error(err)
	}
	sick.configErr = plugins.ErrUnavailable
	r, _ = registryOf(t, []*fakeNet{sick})
	if _, _, err := r.OpenNet(t.Context(), "sick", nil); !errors.Is(err, plugins.ErrUnavailable) || !strings.Contains(err.Error(), "sick") {
		t.Error(err)
	}
}

// TestConfigureOnce: a backend gets its own table and folder, once in its life.
func TestConfigureOnce(t *testing.T) {
	a, x := netNamed("a", 10), bgpNamed("x")
	r, dir := registryOf(t, []*fakeNet{a}, x)
	settings := map[string]map[string]any{"a": {"key": "value"}, "other": {"no": "business"}}
	for range 2 {
		r.Candidates(t.Context(), settings)
		if _, _, err := r.OpenNet(t.Context(), Auto, settings); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.OpenNet(t.Context(), "a", settings); err != nil {
			t.Fatal(err)
		}
		if _, err := r.OpenBGP(t.Context(), "x", settings); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]plugins.Config{{Settings: settings["a"], StateDir: filepath.Join(dir, "backend", "a")}}, a.configs); d != "" {
		t.Errorf("a: %s", d)
	}
	if d := cmp.Diff([]plugins.Config{{StateDir: filepath.Join(dir, "backend", "x")}}, x.configs); d != "" {
		t.Errorf("x: %s", d)
	}
	for _, b := range []string{"a", "x"} {
		if info, err := os.Stat(filepath.Join(dir, "backend", b)); err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
			t.Errorf("folder of %s: %v, %v", b, info, err)
		}
	}
}

// TestSettingsError: a mistake in a backend's table is told with the table's
// name, so that it can be placed in the file.
func TestSettingsError(t *testing.T) {
	a, x := netNamed("a", 10), bgpNamed("x")
	a.configErr = &plugins.ConfigError{Key: "path", Msg: "must be absolute"}
	x.configErr = &plugins.ConfigError{Msg: "is not for this host"}
	r, _ := registryOf(t, []*fakeNet{a}, x)
	_, _, err := r.OpenNet(t.Context(), "a", nil)
	var se *SettingsError
	if !errors.As(err, &se) || se.Backend != "a" || se.Err != a.configErr {
		t.Errorf("%#v", err)
	}
	if got := err.Error(); got != "[backend.a] path: must be absolute" {
		t.Error(got)
	}
	if _, err = r.OpenBGP(t.Context(), "x", nil); !errors.As(err, &se) || se.Backend != "x" {
		t.Errorf("%#v", err)
	}
	// It stays unconfigured: the next try asks again.
	a.configErr = nil
	if _, _, err := r.OpenNet(t.Context(), "a", nil); err != nil || len(a.configs) != 2 {
		t.Errorf("%v, configured %d times", err, len(a.configs))
	}
}

// TestAutoDoesNotPassOverAMistake: a typo in the table of the backend that fits
// must not give the host to another one.
func TestAutoDoesNotPassOverAMistake(t *testing.T) {
	best := netNamed("best", 95)
	best.configErr = &plugins.ConfigError{Key: "path", Msg: "must be absolute"}
	r, _ := registryOf(t, []*fakeNet{netNamed("fallback", 10), best})
	b, _, err := r.OpenNet(t.Context(), Auto, nil)
	var se *SettingsError
	if !errors.As(err, &se) || se.Backend != "best" {
		t.Errorf("%v, %v", b, err)
	}
}

func TestStateFolderInTheWay(t *testing.T) {
	a := netNamed("a", 10)
	r, dir := registryOf(t, []*fakeNet{a})
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.OpenNet(t.Context(), "a", nil); err == nil || !strings.Contains(err.Error(), "state folder of backend a") {
		t.Error(err)
	}
	if len(a.configs) != 0 {
		t.Error("configured without its folder")
	}
}

func TestNamesAndInfo(t *testing.T) {
	r, _ := registryOf(t, []*fakeNet{netNamed("b", 0), netNamed("a", 0)}, bgpNamed("x"))
	if d := cmp.Diff([]string{"a", "b"}, r.Names(plugins.KindNet)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"x"}, r.Names(plugins.KindBGP)); d != "" {
		t.Error(d)
	}
	if info, ok := r.Info(plugins.KindBGP, "x"); !ok || !info.Has(plugins.CapMD5) {
		t.Errorf("%v, %v", info, ok)
	}
	if _, ok := r.Info(plugins.KindNet, "x"); ok {
		t.Error("a BGP backend was taken for a network backend")
	}
	if _, ok := r.Info(plugins.KindNet, "auto"); ok {
		t.Error("auto is no backend")
	}
}

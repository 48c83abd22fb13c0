package registry

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
)

// publicDir is a folder that any user can get to. Its name is short: a socket's
// path has 108 bytes (unix(7)).
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pluginFolder has the plugin "ok" in it, and gives its path.
func pluginFolder(t *testing.T) (o host.Options, path string) {
	t.Helper()
	dir := publicDir(t)
	path = filepath.Join(dir, "ok")
	if out, err := exec.Command("go", "build", "-C", "../../plugins", "-o", path, "./host/testdata/faulty").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	manifest := fmt.Sprintf(`{"name": "ok", "kind": "network", "version": "0.1", "api": %d, "caps": ["link"]}`, plugins.APIVersion)
	if err := os.WriteFile(path+".json", []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	return host.Options{Dirs: []string{dir}, RunDir: dir, PinFile: filepath.Join(dir, "pins")}, path
}

// TestPlugin: a plugin is a backend like any other, from its manifest on; and
// what can't be run is told apart from what is not there.
func TestPlugin(t *testing.T) {
	o, path := pluginFolder(t)
	r := New([]plugins.NetBackend{netNamed("a", 10)}, nil, Options{StateDir: t.TempDir(), Plugins: o})
	if got := r.Names(plugins.KindNet); !slices.Equal(got, []string{"a", "ok"}) {
		t.Error(got)
	}
	if got := r.Names(plugins.KindBGP); len(got) > 0 {
		t.Error(got)
	}
	if i, ok := r.Info(plugins.KindNet, "ok"); !ok || !i.Has(plugins.CapLink) {
		t.Errorf("%+v", i)
	}
	if err := r.Refused(plugins.KindBGP, "ok"); err == nil || !strings.Contains(err.Error(), "is a network backend, not a bgp backend") {
		t.Error(err)
	}
	if err := r.Refused(plugins.KindNet, "nosuch"); err != nil {
		t.Error(err)
	}
	settings := map[string]map[string]any{"ok": {"why": "because", "plugin": path}}
	b, why, err := r.OpenNet(t.Context(), "ok", settings)
	if err != nil || why != "because" {
		t.Fatalf("%q, %v", why, err)
	}
	defer b.Close()
	if again, _, err := r.OpenNet(t.Context(), "ok", settings); err != nil || again != b {
		t.Errorf("opened twice: %v", err)
	}
	if all := r.Candidates(t.Context(), settings); len(all) != 1 {
		t.Errorf("a plugin takes part in the detection: %+v", all)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := r.Refused(plugins.KindNet, "ok"); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Error(err)
	}
	if _, ok := r.Info(plugins.KindNet, "ok"); ok {
		t.Error("a program that others can write is offered")
	}
}

// TestRequirePin: from the moment that it is told, no plugin without a pin is one.
func TestRequirePin(t *testing.T) {
	o, path := pluginFolder(t)
	r := New(nil, nil, Options{StateDir: t.TempDir(), Plugins: o})
	if err := r.Refused(plugins.KindNet, "ok"); err != nil {
		t.Fatal(err)
	}
	r.RequirePin(true)
	if err := r.Refused(plugins.KindNet, "ok"); err == nil || !strings.Contains(err.Error(), "has no pin in "+o.PinFile) {
		t.Errorf("%v", err)
	}
	if _, _, err := r.OpenNet(t.Context(), "ok", nil); err == nil || !strings.Contains(err.Error(), "stentor plugins trust "+path) {
		t.Errorf("%v", err)
	}
	if _, err := host.Trust(o, path); err != nil {
		t.Fatal(err)
	}
	if err := r.Refused(plugins.KindNet, "ok"); err != nil {
		t.Error(err)
	}
}

// TestOwnKeys: core's keys are checked, and do not reach the backend.
func TestOwnKeys(t *testing.T) {
	a := netNamed("a", 10)
	r, _ := registryOf(t, []*fakeNet{a})
	for key, value := range map[string]any{"isolate": "yes", "plugin": true} {
		var se *SettingsError
		if _, _, err := r.OpenNet(t.Context(), "a", map[string]map[string]any{"a": {key: value}}); !errors.As(err, &se) || se.Err.Key != key {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, _, err := r.OpenNet(t.Context(), "a", map[string]map[string]any{"a": {"isolate": true}}); !errors.Is(err, plugins.ErrUnsupported) {
		t.Errorf("no program to isolate with: %v", err)
	}
	if _, _, err := r.OpenNet(t.Context(), "a", map[string]map[string]any{"a": {"isolate": false, "k": "v"}}); err != nil {
		t.Fatal(err)
	}
	if got := a.configs[0].Settings; len(got) != 1 || got["k"] != "v" {
		t.Errorf("%v", got)
	}
}

// TestIsolates: a built-in that needs no rights gets a process without any,
// unless it is told otherwise or there is no program for it.
func TestIsolates(t *testing.T) {
	yes, no := true, false
	bare := plugins.Info{Name: "x", Caps: []plugins.Cap{plugins.CapUnprivileged}}
	for name, tt := range map[string]struct {
		info  plugins.Info
		own   own
		serve []string
		want  bool
	}{
		"needs none":             {bare, own{}, []string{"serve"}, true},
		"needs some":             {plugins.Info{Name: "x"}, own{}, []string{"serve"}, false},
		"told to":                {plugins.Info{Name: "x"}, own{isolate: &yes}, []string{"serve"}, true},
		"told not to":            {bare, own{isolate: &no}, []string{"serve"}, false},
		"no program":             {bare, own{}, nil, false},
		"told to, by no program": {bare, own{isolate: &yes}, nil, true}, // which is refused then
	} {
		r := New(nil, nil, Options{Serve: tt.serve})
		if got := r.isolates(tt.info, tt.own); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

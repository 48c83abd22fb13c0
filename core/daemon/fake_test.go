package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// base are the calls that say nothing here.
type base struct {
	name string
	kind plugins.Kind
}

func (b base) Info() plugins.Info {
	return plugins.Info{Name: b.name, Kind: b.kind, API: plugins.APIVersion, Caps: []plugins.Cap{plugins.CapPrepend}}
}
func (base) Configure(context.Context, plugins.Config) error { return nil }
func (base) Detect(context.Context) (plugins.Detection, error) {
	return plugins.Detection{Score: 10, Why: "fake"}, nil
}
func (base) Close() error { return nil }
func (base) Watch(ctx context.Context, _ func(plugins.Change)) error {
	<-ctx.Done()
	return nil
}

// holder keeps what it was last asked to hold, in memory.
type holder[W any] struct {
	mu   sync.Mutex
	have W
}

func (h *holder[W]) plan(want W) plugins.Plan {
	h.mu.Lock()
	defer h.mu.Unlock()
	if reflect.DeepEqual(h.have, want) {
		return plugins.Plan{}
	}
	return plugins.Plan{Steps: []plugins.Step{{Verb: "change", Object: "all"}}}
}

func (h *holder[W]) apply(want W) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.have = want
}

func (h *holder[W]) now() W {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.have
}

// fakeNet says that it holds what it was asked to. The kernel knows nothing of
// it, so no VIP of these tests is ever announced.
type fakeNet struct {
	base
	holder[[]plugins.VIP]
}

func (n *fakeNet) Plan(_ context.Context, want []plugins.VIP) (plugins.Plan, error) {
	return n.plan(want), nil
}
func (n *fakeNet) Apply(_ context.Context, want []plugins.VIP) error {
	n.apply(want)
	return nil
}
func (n *fakeNet) Observe(context.Context) ([]plugins.VIPState, error) {
	var all []plugins.VIPState
	for _, v := range n.now() {
		all = append(all, plugins.VIPState{VIP: v})
	}
	return all, nil
}

// fakeBGP has all its sessions established at once.
type fakeBGP struct {
	base
	holder[plugins.Speaker]
}

func (b *fakeBGP) Plan(_ context.Context, want plugins.Speaker) (plugins.Plan, error) {
	return b.plan(want), nil
}
func (b *fakeBGP) Apply(_ context.Context, want plugins.Speaker) error {
	b.apply(want)
	return nil
}
func (b *fakeBGP) Observe(context.Context) (plugins.SpeakerState, error) {
	var s plugins.SpeakerState
	for _, p := range b.now().Peers {
		s.Peers = append(s.Peers, plugins.PeerState{Name: p.Name, State: plugins.StateEstablished})
	}
	return s, nil
}

const sound = `
[bgp]
backend = "fakebgp"
asn = 65001
router_id = "192.0.2.7"
[bgp.peer.rs1]
address = "192.0.2.1"
asn = 65000
[vip.web]
address = "203.0.113.10/32"
role = "primary"
`

// options are those of a daemon of the test's own, with fakes for backends.
func options(t *testing.T, config string) Options {
	t.Helper()
	dir := t.TempDir()
	o := Options{
		Config: filepath.Join(dir, "stentor.toml"), Socket: filepath.Join(dir, "s.sock"), StateDir: filepath.Join(dir, "state"),
		Version: "test", Log: slog.New(slog.DiscardHandler),
	}
	o.Registry = registry.New(
		[]plugins.NetBackend{
			&fakeNet{base: base{"fakenet", plugins.KindNet}},
		},
		[]plugins.BGPBackend{
			&fakeBGP{base: base{"fakebgp", plugins.KindBGP}},
			&fakeBGP{base: base{"otherbgp", plugins.KindBGP}},
		}, registry.Options{StateDir: o.StateDir})
	write(t, o.Config, config)
	return o
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs a daemon until stop is called, which gives what Run gave. The
// daemon answers when start returns.
func start(t *testing.T, o Options, hups <-chan os.Signal) (client *control.Client, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o, nil, hups) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			return errors.New("the daemon does not end")
		}
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	client = control.NewClient(o.Socket)
	eventually(t, "the daemon answers", func() bool {
		if len(done) > 0 {
			t.Fatal("the daemon ended")
		}
		running, err := client.Running(t.Context())
		return running && err == nil
	})
	return client, stop
}

// eventually polls until ok says yes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not so after 20 s: %s", what)
		}
	}
}

func find(s *status.Status, vip string) status.VIP {
	for _, v := range s.VIPs {
		if v.Name == vip {
			return v
		}
	}
	return status.VIP{}
}

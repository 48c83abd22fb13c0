package once

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/confirm"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/daemon"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/host/hosttest"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/plugins"
)

// stack is a network backend by ip(8), that does something besides when it is
// asked for more than one address.
type stack struct {
	ns      *hosttest.NS
	held    []plugins.VIP
	besides string // a script for ip(8)
	fails   error
	calls   int
}

func (s *stack) Info() plugins.Info {
	return plugins.Info{Name: "clumsy", Kind: plugins.KindNet, API: plugins.APIVersion}
}
func (*stack) Configure(context.Context, plugins.Config) error { return nil }
func (*stack) Detect(context.Context) (plugins.Detection, error) {
	return plugins.Detection{Score: 50, Why: "fake"}, nil
}
func (*stack) Watch(context.Context, func(plugins.Change)) error { return nil }
func (*stack) Close() error                                      { return nil }

func (s *stack) Plan(_ context.Context, want []plugins.VIP) (p plugins.Plan, err error) {
	if !slices.Equal(s.held, want) {
		p.Steps = []plugins.Step{{Verb: "change", Object: "all"}}
	}
	return p, nil
}

func (s *stack) Apply(_ context.Context, want []plugins.VIP) error {
	s.calls++
	if s.fails != nil {
		return s.fails
	}
	for _, v := range s.held {
		s.ns.IP("address flush dev lo to " + v.Prefix().String())
	}
	for _, v := range want {
		s.ns.IP("address add " + v.Prefix().String() + " dev lo")
	}
	if len(want) > 1 && s.besides != "" {
		s.ns.IP(s.besides)
	}
	s.held = want
	return nil
}

func (s *stack) Observe(context.Context) (states []plugins.VIPState, err error) {
	for _, v := range s.held {
		states = append(states, plugins.VIPState{VIP: v, OnHost: true})
	}
	return states, nil
}

// speaker is what the config names. Only a speaker that outlived its daemon is
// ever called.
type speaker struct {
	plugins.BGPBackend
	asked func(plugins.Speaker)
}

func (speaker) Configure(context.Context, plugins.Config) error { return nil }
func (speaker) Close() error                                    { return nil }
func (s speaker) Apply(_ context.Context, want plugins.Speaker) error {
	s.asked(want)
	return errors.New("it is down")
}
func (speaker) Info() plugins.Info {
	return plugins.Info{Name: "native", Kind: plugins.KindBGP, API: plugins.APIVersion, Caps: []plugins.Cap{plugins.CapPrepend}}
}

const uplink = `link set lo up
link add up0 type veth peer name up1
link set up0 up
link set up1 up
address add 192.0.2.2/24 dev up0
address add 198.51.100.7/32 dev lo
route add default via 192.0.2.1`

const one = `
[bgp]
asn = 65001
[bgp.peer.rs1]
address = "192.0.2.1"
asn = 65000
[vip.web]
address = "203.0.113.10/32"
role = "primary"
`
const two = one + "[vip.mail]\naddress = \"203.0.113.25/32\"\nrole = \"primary\"\n"

// bench is a host on which config one is in force.
type bench struct {
	*testing.T
	stack  *stack
	opts   Options
	asked  func(plugins.Speaker)
	guards int // how often a guard was asked for
	ctx    context.Context
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, ctx: t.Context(), stack: &stack{ns: hosttest.New(t)}}
	b.stack.ns.IP(uplink)
	dir := t.TempDir()
	b.opts = Options{Config: filepath.Join(dir, "stentor.toml"), StateDir: filepath.Join(dir, "state"), Log: slog.New(slog.DiscardHandler),
		Guard: func(context.Context) error { b.guards++; return nil }}
	b.config(one)
	if _, err := b.apply(0); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) config(text string) {
	b.Helper()
	if err := os.WriteFile(b.opts.Config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) apply(trial time.Duration) (done Done, err error) {
	o := b.options()
	o.Confirm = trial
	b.stack.ns.Do(func() { done, err = Apply(b.ctx, o) })
	return done, err
}

// options are those of a process of its own.
func (b *bench) options() Options {
	o := b.opts
	o.Registry = registry.New([]plugins.NetBackend{b.stack}, []plugins.BGPBackend{speaker{asked: b.asked}}, registry.Options{StateDir: o.StateDir})
	return o
}

func (b *bench) trial() *confirm.Trial {
	b.Helper()
	trial, err := confirm.Store{Dir: b.opts.StateDir}.Trial()
	if err != nil {
		b.Fatal(err)
	}
	return trial
}

// expire lets the time of the trial run out.
func (b *bench) expire() {
	b.Helper()
	trial := b.trial()
	trial.Deadline = trial.Began.Add(-time.Second)
	if err := (confirm.Store{Dir: b.opts.StateDir}).Save(trial); err != nil {
		b.Fatal(err)
	}
}

// shared are the shared IPs on the host.
func (b *bench) shared() (shared []string) {
	b.Helper()
	b.stack.ns.Do(func() {
		view, err := host.Read()
		if err != nil {
			b.Error(err)
		}
		for a := range view.Addrs {
			if netip.MustParsePrefix("203.0.113.0/24").Contains(a) {
				shared = append(shared, a.String())
			}
		}
	})
	slices.Sort(shared)
	return shared
}

func (b *bench) expect(addrs ...string) {
	b.Helper()
	if diff := cmp.Diff(addrs, b.shared()); diff != "" {
		b.Errorf("shared IPs (-want +got):\n%s", diff)
	}
}

// TestLossIsUndone: a change that costs the host something is undone, and what
// it cost is said. A trial that failed is none.
func TestLossIsUndone(t *testing.T) {
	tests := map[string]struct{ besides, want string }{
		"default route":   {"route del default", "the default route via 192.0.2.1 by up0 is gone"},
		"another gateway": {"route replace default via 192.0.2.254", "the default route via 192.0.2.1 by up0 is gone"},
		"uplink":          {"address flush dev up0", "192.0.2.2/24 on up0 is gone; "},
		"lo":              {"address del 127.0.0.1/8 dev lo", "127.0.0.1/8 on lo is gone"},
		"somebody else's": {"address del 198.51.100.7/32 dev lo", "198.51.100.7/32 on lo is gone"},
		"a shared IP":     {"address del 203.0.113.25/32 dev lo", "203.0.113.25 is not on the host"},
		"a way to a peer": {"route add blackhole 192.0.2.1/32", "the way to peer 192.0.2.1 is gone"},
	}
	for name, tt := range tests {
		for what, trial := range map[string]time.Duration{"for good": 0, "on trial": time.Minute} {
			t.Run(name+", "+what, func(t *testing.T) {
				b := newBench(t)
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // enough to settle here
				defer cancel()
				b.ctx = ctx
				b.config(two)
				b.stack.besides = tt.besides
				_, err := b.apply(trial)
				if err == nil || !strings.HasPrefix(err.Error(), "the change cost the host something") || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("%v", err)
				}
				b.expect("203.0.113.10")
				if left := b.trial(); left != nil {
					t.Errorf("a trial is left: %+v", left)
				}
			})
		}
	}
}

// TestRecords: a disk that takes nothing leaves the host all old, or all new with
// no older config to come back to.
func TestRecords(t *testing.T) {
	good := func(b *bench) string {
		t.Helper()
		files, err := confirm.Store{Dir: b.opts.StateDir}.LastGood()
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			return ""
		}
		return files[0].Text
	}
	block := func(b *bench, name string) { // a folder in a file's place
		t.Helper()
		path := filepath.Join(b.opts.StateDir, name)
		if err := errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Join(path, "x"), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("the old one stays", func(t *testing.T) {
		b := newBench(t)
		b.config(two)
		block(b, "last-good.json")
		if _, err := b.apply(0); err == nil || !strings.HasPrefix(err.Error(), "nothing was changed: forget the last good config: ") {
			t.Errorf("%v", err)
		}
		b.expect("203.0.113.10")
	})
	t.Run("the new one can't be kept", func(t *testing.T) {
		b := newBench(t)
		b.config(two)
		block(b, ".last-good.json.tmp")
		var log strings.Builder
		b.opts.Log = slog.New(slog.NewTextHandler(&log, nil))
		if _, err := b.apply(0); err != nil || !strings.Contains(log.String(), "can't go back to the config that is in force now") {
			t.Errorf("%v, log %q", err, log.String())
		}
		b.expect("203.0.113.10", "203.0.113.25")
		if got := good(b); got != "" {
			t.Errorf("the last good config is\n%s", got)
		}
	})
	t.Run("put on record again", func(t *testing.T) {
		b := newBench(t)
		b.config(two)
		if _, err := b.apply(time.Minute); err != nil {
			t.Fatal(err)
		}
		b.expire()
		b.stack.ns.Do(func() {
			if err := RollBack(t.Context(), b.options()); err != nil {
				t.Error(err)
			}
		})
		b.stack.fails = errors.New("the stack is down")
		if _, err := b.apply(0); !errors.Is(err, b.stack.fails) {
			t.Errorf("%v", err)
		}
		if trial := b.trial(); trial == nil || trial.RolledBack.IsZero() {
			t.Errorf("the trial that was rolled back is %+v", trial)
		}
		if got := good(b); got != one {
			t.Errorf("the last good config is\n%s", got)
		}
		b.stack.fails = nil
		if _, err := b.apply(0); err != nil {
			t.Error(err)
		}
		if trial := b.trial(); trial != nil || good(b) != two {
			t.Errorf("after all: trial %+v, last good\n%s", trial, good(b))
		}
	})
}

// TestTrial goes through the ends that a trial can have.
func TestTrial(t *testing.T) {
	b := newBench(t)
	b.config(two)
	rollBack := func() {
		t.Helper()
		var err error
		b.stack.ns.Do(func() { err = RollBack(t.Context(), b.options()) })
		if err != nil {
			t.Error(err)
		}
	}
	done, err := b.apply(time.Minute)
	if err != nil || done.Trial == nil || b.guards != 1 {
		t.Fatalf("%+v, %v, %d guards", done, err, b.guards)
	}
	b.expect("203.0.113.10", "203.0.113.25")
	rollBack() // nothing is due
	b.expect("203.0.113.10", "203.0.113.25")

	// Another apply is refused, and sees to the guard.
	var refused *control.Error
	if _, err := b.apply(0); !errors.As(err, &refused) || refused.Kind != control.KindRefused || b.guards != 2 {
		t.Errorf("%v, %d guards", err, b.guards)
	}

	// Too late: whoever has the lock is left alone.
	b.expire()
	if _, err := b.apply(time.Minute); !errors.As(err, &refused) || b.guards != 3 {
		t.Errorf("%v, %d guards", err, b.guards)
	}
	if err := Confirm(t.Context(), b.opts.StateDir); !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
	unlock, err := daemon.Lock(b.opts.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	rollBack()
	b.expect("203.0.113.10", "203.0.113.25")
	unlock()
	b.stack.fails = errors.New("the stack is down")
	b.stack.ns.Do(func() { err = RollBack(t.Context(), b.options()) })
	if err == nil || !b.trial().RolledBack.IsZero() {
		t.Errorf("a way back that failed is none: %v", err)
	}
	b.stack.fails = nil
	rollBack()
	b.expect("203.0.113.10")
	calls := b.stack.calls
	rollBack()
	if b.trial().RolledBack.IsZero() || b.stack.calls != calls {
		t.Errorf("not over after the way back: %+v, %d calls", b.trial(), b.stack.calls-calls)
	}

	// Tried again, and kept.
	if _, err := b.apply(time.Minute); err != nil {
		t.Error(err)
	}
	if err := Confirm(t.Context(), b.opts.StateDir); err != nil {
		t.Error(err)
	}
	b.expect("203.0.113.10", "203.0.113.25")
	if left := b.trial(); left != nil {
		t.Errorf("%+v", left)
	}
}

// TestNoGuard: without somebody to roll it back there is no trial.
func TestNoGuard(t *testing.T) {
	b := newBench(t)
	b.config(two)
	b.opts.Guard = func(context.Context) error { return errors.New("no more processes") }
	if _, err := b.apply(time.Minute); err == nil || !strings.HasPrefix(err.Error(), "nothing was changed: no more processes") {
		t.Errorf("%v", err)
	}
	b.expect("203.0.113.10")
	if left := b.trial(); left != nil {
		t.Errorf("%+v", left)
	}
}

// TestRoutesGoFirst: no address leaves the host before a speaker that outlived
// its daemon was asked to withdraw; one that can't is no reason to stay.
func TestRoutesGoFirst(t *testing.T) {
	b := newBench(t)
	b.config(two)
	if _, err := b.apply(time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.opts.StateDir, "speakers.json"), []byte(`{"names": ["native"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	b.expire()
	asked := 0
	b.asked = func(want plugins.Speaker) {
		asked++
		b.expect("203.0.113.10", "203.0.113.25")
		if diff := cmp.Diff(plugins.Speaker{}, want, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("asked to hold (-want +got):\n%s", diff)
		}
	}
	var err error
	b.stack.ns.Do(func() { err = RollBack(t.Context(), b.options()) })
	if err != nil || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	b.expect("203.0.113.10")
}

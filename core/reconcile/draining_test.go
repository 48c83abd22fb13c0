package reconcile

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// drain drains vip1 as a person does.
func drain(t *testing.T, l *Loop, d Drain) {
	t.Helper()
	d.Since = time.Now()
	if err := l.Drains.Set([]string{"vip1"}, d); err != nil {
		t.Fatal(err)
	}
	l.Wake()
}

func (w *world) draining() bool { return slices.Contains(w.announced(), plugins.GracefulShutdown) }

// TestDrainSteps: the grace time begins when the peers were told, and the
// address leaves after the route, if at all.
func TestDrainSteps(t *testing.T) {
	for name, remove := range map[string]bool{"keep the address": false, "remove the address": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := conf(1)
				c.BGP.DrainRemoves = remove
				w, l, stop := running(t, t.TempDir(), c)
				defer stop()
				w.do(func() { w.bgpSlow = 3 * time.Second })
				drain(t, l, Drain{Reason: "disk"})
				why := func(want string) {
					t.Helper()
					if got := l.Status().VIPs[0]; got.State != status.Drained || got.Why != want {
						t.Errorf("%+v; want %q", got, want)
					}
				}
				settle(2900 * time.Millisecond)
				why("drained (disk): the peers are being told to prefer another host")
				settle(200 * time.Millisecond)
				end := time.Now().Add(1900 * time.Millisecond)
				why("drained (disk): the peers were told to prefer another host; withdrawn " + clock(end))
				if !l.Status().VIPs[0].Next.Equal(end) || !w.draining() {
					t.Errorf("%+v, announced with %v", l.Status().VIPs[0], w.announced())
				}
				settle(2 * time.Second) // the call takes 3 s
				why("drained (disk): being withdrawn")
				if len(w.addrs) != 1 {
					t.Error("the address left before its route")
				}
				w.do(func() { w.netSlow = time.Second })
				settle(3100 * time.Millisecond)
				if w.announced() != nil {
					t.Errorf("still announced with %v", w.announced())
				}
				if remove {
					why("drained (disk): withdrawn, and the address is about to leave the host")
				}
				settle(time.Minute)
				if remove {
					why("drained (disk): withdrawn, and the address is off the host")
				} else {
					why("drained (disk): withdrawn")
				}
				if got := len(w.addrs); (got == 0) != remove {
					t.Errorf("%d addresses on the host", got)
				}
				if s := l.Status(); !s.Converged || !s.Healthy() {
					t.Errorf("not converged, or not healthy: %+v", s.Problems)
				}
				if err := l.Drains.Clear(nil, nil, time.Now()); err != nil {
					t.Fatal(err)
				}
				l.Wake()
				settle(time.Minute)
				if got := l.Status().VIPs[0]; got.State != status.Announced || !got.OnHost {
					t.Errorf("undrained: %+v", got)
				}
			})
		})
	}
}

// TestDrainIsNotBlocked: neither by a peer that is down, nor by a speaker that
// fails.
func TestDrainIsNotBlocked(t *testing.T) {
	tests := map[string]struct {
		before func(w *world)
		over   time.Duration // when it is withdrawn at the latest
	}{
		"one peer is down": {func(w *world) { w.session("rs2", false) }, 2 * time.Second},
		"no peer is up":    {func(w *world) { w.session("rs1", false); w.session("rs2", false) }, 2 * time.Second},
		"one peer is not told": {func(w *world) {
			w.deaf = map[string]netip.Prefix{"rs2": netip.PrefixFrom(vip(1), 32)}
			w.session("rs2", true)
		}, tellLimit + 2*time.Second},
		"the speaker fails": {func(w *world) { w.bgpErr = errFake }, tellLimit + 2*time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, l, stop := running(t, t.TempDir(), conf(1))
				w.do(func() { tt.before(w) })
				settle(time.Second)
				drain(t, l, Drain{})
				settle(tt.over - time.Millisecond)
				if why := l.Status().VIPs[0].Why; strings.HasSuffix(why, "withdrawn") {
					t.Errorf("too early: %q", why)
				}
				settle(2 * time.Millisecond)
				if why := l.Status().VIPs[0].Why; !strings.HasSuffix(why, "withdrawn") {
					t.Errorf("in the end: %q", why)
				}
				w.do(func() { w.bgpErr = nil })
				settle(time.Minute)
				if len(w.routes()) != 0 {
					t.Errorf("announced: %v", w.routes())
				}
				stop()
			})
		})
	}
}

// TestDrainBringsNothingBack: a VIP that is not announced when it is drained
// does not appear, and one that fails meanwhile is gone at once.
func TestDrainBringsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := checked(config.Failover{})
		c.BGP.DrainGrace = time.Minute
		w, l, stop := running(t, t.TempDir(), c)
		defer stop()
		w.bad(l)
		settle(time.Second)
		drain(t, l, Drain{})
		settle(time.Second)
		w.good(l)
		settle(time.Second)
		if w.announced() != nil {
			t.Error("it was drained while it was away, and came back")
		}
		if err := l.Drains.Clear(nil, nil, time.Now()); err != nil {
			t.Fatal(err)
		}
		l.Wake()
		settle(time.Second)
		drain(t, l, Drain{})
		settle(time.Second)
		if !w.draining() {
			t.Errorf("announced with %v", w.announced())
		}
		w.bad(l)
		synctest.Wait()
		if w.announced() != nil || l.Status().VIPs[0].State != status.Drained {
			t.Errorf("%+v", l.Status().VIPs[0])
		}
	})
}

// TestDrainOnExit: the stop waits until the peers have found another host.
func TestDrainOnExit(t *testing.T) {
	leave := func(t *testing.T, c *config.Config, before func(*world), hurry time.Duration) (*world, *Loop, time.Duration) {
		w := newWorld(500 * time.Millisecond)
		w.session("rs1", true)
		dir := t.TempDir()
		drains, err := OpenDrains(dir)
		if err != nil {
			t.Fatal(err)
		}
		l := New(Options{Net: fakeNet{base{w}}, BGP: fakeBGP{base{w}}, Host: w, Drains: drains, Latches: openLatches(t, dir), Log: slog.New(slog.DiscardHandler), DeriveRouterID: routerID}, c)
		ctx, cancel := context.WithCancel(context.Background())
		hurried, done := make(chan struct{}), make(chan error)
		go func() { done <- l.Run(ctx, hurried) }()
		settle(time.Second)
		w.do(func() { before(w) })
		began := time.Now()
		cancel()
		settle(time.Second)
		if w.bgpErr == nil && len(w.told["rs1"]) == 2 && (!w.draining() || l.Status().VIPs[0].State != status.Drained) {
			t.Errorf("on the way out: %+v, announced with %v", l.Status().VIPs[0], w.announced())
		}
		if hurry > 0 {
			time.AfterFunc(hurry, func() { close(hurried) })
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		return w, l, time.Since(began)
	}
	tests := map[string]struct {
		onExit config.OnExit
		before func(*world)
		hurry  time.Duration
		after  time.Duration
	}{
		"drain":                     {config.OnExitDrain, func(*world) {}, 0, 2 * time.Second},
		"drain, and a second TERM":  {config.OnExitDrain, func(*world) {}, 300 * time.Millisecond, 1300 * time.Millisecond},
		"drain, the speaker fails":  {config.OnExitDrain, func(w *world) { w.bgpErr = errFake }, 0, tellLimit + 2*time.Second},
		"drain, and nobody listens": {config.OnExitDrain, func(w *world) { w.session("rs1", false) }, 0, 2 * time.Second},
		"drain, one VIP takes longer": {config.OnExitDrain, func(w *world) {
			w.deaf = map[string]netip.Prefix{"rs1": netip.PrefixFrom(vip(1), 32)}
			w.session("rs1", true)
		}, 0, tellLimit + 2*time.Second},
		"withdraw": {config.OnExitWithdraw, func(*world) {}, 0, time.Second}, // the time that the test settles for
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := conf(1, 2)
				c.BGP.OnExit, c.BGP.DrainRemoves = tt.onExit, true
				w, l, after := leave(t, c, tt.before, tt.hurry)
				if after != tt.after {
					t.Errorf("stopped after %s, want %s", after, tt.after)
				}
				if w.bgpErr == nil && len(w.told["rs1"]) != 0 {
					t.Errorf("left behind: %v", w.told)
				}
				if len(w.addrs) != 2 {
					t.Error("the stop took an address off the host")
				}
				if d := l.Drains.At(time.Now()); d.All != nil || len(d.VIPs) > 0 {
					t.Errorf("the drain outlives the stop: %+v", d)
				}
				for _, b := range w.broken {
					t.Error(b)
				}
			})
		})
	}
}

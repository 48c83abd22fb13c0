package reconcile

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// checked is conf(1) with a check named vip1/tcp, and rules.
func checked(rules config.Failover) *config.Config {
	c := conf(1)
	c.VIPs[0].Checks, c.VIPs[0].Failover = []string{"vip1/tcp"}, rules
	c.VIPs[0].DemotedAttrs = config.Attrs{Communities: []plugins.Community{65000<<16 | 2}, Prepend: 2}
	return c
}

// result is what a check found, told as its runner tells the loop.
func (w *world) result(l *Loop, name string, state health.State, output string) {
	w.mu.Lock()
	w.checks = maps.Clone(w.checks)
	if w.checks == nil {
		w.checks = health.View{}
	}
	w.checks[name] = health.Status{Name: name, Kind: "tcp", Target: "127.0.0.1:80", State: state, Since: time.Now(), Output: output, Recent: []health.Outcome{health.Good}}
	w.mu.Unlock()
	l.WakeNow()
}

func (w *world) good(l *Loop) { w.result(l, "vip1/tcp", health.Up, "connected") }
func (w *world) bad(l *Loop)  { w.result(l, "vip1/tcp", health.Down, "3 of 3 tries failed: refused") }

// announced are the communities that rs1 was told vip1 with; nil: it was not.
func (w *world) announced() []plugins.Community {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.told["rs1"][conf(1).VIPs[0].Prefix] {
		return nil
	}
	return w.speaker.Announcements[0].Communities
}

// running starts a loop in a bubble whose sessions are up.
func running(t *testing.T, dir string, c *config.Config) (*world, *Loop, func()) {
	w := newWorld(500 * time.Millisecond)
	w.session("rs1", true)
	w.session("rs2", true)
	l, stop := start(t, dir, w, c)
	settle(time.Second)
	return w, l, func() {
		stop()
		for _, b := range w.broken {
			t.Error(b)
		}
	}
}

func TestHealthDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l, stop := running(t, t.TempDir(), checked(config.Failover{}))
		defer stop()
		got := l.Status().VIPs[0]
		if got.State != status.Pending || got.Why != "waiting for the first results of tcp" || !got.OnHost || got.Health != "unknown" || w.announced() != nil {
			t.Errorf("before the first result: %+v", got)
		}
		w.good(l)
		settle(time.Millisecond)
		if s := l.Status(); s.VIPs[0].State != status.Announced || s.VIPs[0].Health != "up" || !s.Healthy() || len(s.Checks) != 1 {
			t.Errorf("up: %+v", s)
		}
		began := time.Now()
		w.bad(l)
		synctest.Wait()
		if w.announced() != nil || time.Since(began) != 0 {
			t.Error("the withdrawal waited")
		}
		s := l.Status()
		got = s.VIPs[0]
		if got.State != status.Withdrawn || got.Why != "tcp: 3 of 3 tries failed: refused" || got.Health != "down" || !got.OnHost || s.Healthy() {
			t.Errorf("down: %+v", got)
		}
		if len(s.Problems) != 1 || s.Problems[0].Object != "check vip1/tcp" || s.Problems[0].Message != "3 of 3 tries failed: refused" || s.Problems[0].Hint == "" {
			t.Errorf("problems %+v", s.Problems)
		}
		if c := s.Checks[0]; c.Name != "vip1/tcp" || c.State != "down" || c.Recent != "+" || len(c.VIPs) != 1 {
			t.Errorf("check %+v", c)
		}
	})
}

func TestDemoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l, stop := running(t, t.TempDir(), checked(config.Failover{OnUnhealthy: config.UnhealthyDemote}))
		defer stop()
		w.failOpen = true
		w.good(l)
		settle(time.Second)
		w.bad(l)
		settle(time.Millisecond)
		if got := l.Status().VIPs[0]; got.State != status.Announced || !got.Demoted || got.Why != "tcp: 3 of 3 tries failed: refused" || w.announced()[0] != 65000<<16|2 {
			t.Errorf("%+v, announced with %v", got, w.announced())
		}
		// A drain makes it no more attractive than it is.
		if err := l.Drains.Set(nil, Drain{Since: time.Now()}); err != nil {
			t.Fatal(err)
		}
		l.Wake()
		settle(time.Second)
		if a := w.routes()[0]; a.Prepend != 2 || !slices.Contains(a.Communities, plugins.GracefulShutdown) {
			t.Errorf("drained: %+v", a)
		}
		settle(time.Minute)
		if w.announced() != nil {
			t.Error("announced after the drain")
		}
	})
}

// TestWithdrawalEndsCalls: neither a call for something else, nor a person's
// question, nor a rest delays it.
func TestWithdrawalEndsCalls(t *testing.T) {
	for name, rules := range map[string]config.Failover{"withdraw": {}, "demote": {OnUnhealthy: config.UnhealthyDemote}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, l, stop := running(t, t.TempDir(), checked(rules))
				defer stop()
				w.failOpen = name == "demote"
				w.good(l)
				settle(time.Second)
				w.do(func() { w.bgpSlow = 10 * time.Second })
				two := checked(rules)
				two.VIPs = append(two.VIPs, conf(2).VIPs...)
				l.SetConfig(two)
				settle(time.Second)
				w.mu.Lock()
				w.bgpSlow = 0
				w.mu.Unlock()
				w.bad(l)
				synctest.Wait()
				if got := w.announced(); len(got) > 0 && got[0] == 65000<<16|1 {
					t.Errorf("announced with %v", got)
				}
			})
		})
	}
}

func TestWithdrawalEndsPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(0)
		a := newActor[plugins.Speaker, plugins.SpeakerState](hangingPlan{fakeBGP{base{w}}}, sameSpeaker, func(plugins.Speaker) int { return 0 })
		done := make(chan error)
		go func() { _, err := a.plan(t.Context(), plugins.Speaker{}); done <- err }()
		synctest.Wait()
		a.interrupt()
		if err := <-done; !errors.Is(err, errInterrupted) {
			t.Errorf("got %v", err)
		}
	})
}

// hangingPlan is a speaker that takes long to answer what it would change.
type hangingPlan struct{ fakeBGP }

func (hangingPlan) Plan(ctx context.Context, _ plugins.Speaker) (plugins.Plan, error) {
	<-ctx.Done()
	return plugins.Plan{}, ctx.Err()
}

func TestRestEndsForHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{BGP: fakeBGP{base{newWorld(0)}}, Latches: openLatches(t, t.TempDir())}, conf())
		for name, tt := range map[string]struct {
			before func()
			want   time.Duration
		}{
			"nothing happens":      {func() {}, 100 * time.Millisecond},
			"something else":       {l.Wake, 100 * time.Millisecond},
			"a check":              {l.WakeNow, 0},
			"a call was cancelled": {func() { l.waits = true }, 0},
		} {
			l.waits = false
			began := time.Now()
			tt.before()
			l.rest(t.Context(), 50*time.Millisecond)
			if got := time.Since(began); got != tt.want {
				t.Errorf("%s: rested %s, want %s", name, got, tt.want)
			}
		}
	})
}

// TestFlapsOnTheWire: a service that fails and recovers each second for ten
// minutes; each announcement and each withdrawal is one update to each peer.
func TestFlapsOnTheWire(t *testing.T) {
	for name, tt := range map[string]struct {
		damping *config.Damping
		changes int
	}{
		"without damping": {nil, 600},
		// The fourth loss of health within a minute is above 3000, so the VIP stays
		// away. After max_suppress it gets another chance: 2 changes more.
		"damped": {&config.Damping{Penalty: 1000, Suppress: 3000, Reuse: 1000, HalfLife: time.Minute, MaxSuppress: 301 * time.Second}, 4*2 + 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, l, stop := running(t, t.TempDir(), checked(config.Failover{Damping: tt.damping}))
				before := w.updates
				for i := range 600 {
					if i%2 == 0 {
						w.good(l)
					} else {
						w.bad(l)
					}
					settle(time.Second)
				}
				if got := (w.updates - before) / 2; got != tt.changes {
					t.Errorf("%d route changes, want %d", got, tt.changes)
				}
				got := l.Status().VIPs[0]
				if (got.Penalty > 0) != (tt.damping != nil) {
					t.Errorf("penalty %d", got.Penalty)
				}
				w.good(l)
				settle(6 * time.Minute)
				if got := l.Status().VIPs[0]; got.State != status.Announced {
					t.Errorf("long after the last flap: %+v", got)
				}
				stop()
			})
		})
	}
}

package reconcile

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// settle lets everything that is due happen, on the bubble's clock.
func settle(d time.Duration) { time.Sleep(d); synctest.Wait() }

func states(s *status.Status) map[string]status.State {
	m := map[string]status.State{}
	for _, v := range s.VIPs {
		m[v.Name] = v.State
	}
	return m
}

func TestAddressThenRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(500 * time.Millisecond)
		w.netSlow = time.Second
		w.session("rs1", true)
		l, stop := start(t, t.TempDir(), w, conf(1))
		settle(900 * time.Millisecond)
		if got := l.Status().VIPs[0]; got.State != status.Pending || got.OnHost {
			t.Errorf("before the address is there: %+v", got)
		}
		settle(200 * time.Millisecond)
		got := l.Status().VIPs[0]
		if got.State != status.Announced || !got.OnHost || len(got.AnnouncedTo) != 1 || got.Why != "not told: rs2" {
			t.Errorf("after: %+v", got)
		}
		if !l.Status().Converged {
			t.Error("not converged")
		}
		stop()
		if len(w.told["rs1"]) != 0 {
			t.Error("a route was left behind by the stop")
		}
		if len(w.addrs) != 1 {
			t.Error("the stop took the address off the host")
		}
		for _, b := range w.broken {
			t.Error(b)
		}
	})
}

func TestHoldDown(t *testing.T) {
	tests := map[string]struct {
		away    time.Duration
		updates int // beyond the first announcement
	}{
		"shorter": {away: 400 * time.Millisecond, updates: 0},
		"longer":  {away: time.Hour, updates: 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(500 * time.Millisecond)
				w.session("rs1", true)
				l, stop := start(t, t.TempDir(), w, conf(1))
				defer stop()
				settle(time.Second)
				before := w.updates
				w.do(func() { w.take(vip(1)) })
				settle(400 * time.Millisecond)
				if w.updates != before || len(w.addrs) != 0 {
					t.Fatalf("within the hold-down: %d updates, addresses %v", w.updates-before, w.addrs)
				}
				if tt.away < 500*time.Millisecond {
					w.do(func() { w.put(vip(1)) })
				}
				settle(5 * time.Second)
				if got := w.updates - before; got != tt.updates {
					t.Errorf("%d updates, want %d", got, tt.updates)
				}
				if got := l.Status().VIPs[0]; got.State != status.Announced {
					t.Errorf("in the end: %+v", got)
				}
			})
		})
	}
}

func TestLinkDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(500 * time.Millisecond)
		w.session("rs1", true)
		l, stop := start(t, t.TempDir(), w, conf(1))
		defer stop()
		settle(time.Second)
		w.do(func() { w.linkDown = true })
		settle(time.Second)
		if got := l.Status().VIPs[0]; got.State != status.Withdrawn || got.Why != "lo is down" || len(got.AnnouncedTo) != 0 {
			t.Errorf("%+v", got)
		}
		w.do(func() { w.linkDown = false })
		settle(time.Millisecond)
		if got := l.Status().VIPs[0]; got.State != status.Announced {
			t.Errorf("%+v", got)
		}
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(500 * time.Millisecond)
		w.session("rs1", true)
		dir := t.TempDir()
		l, stop := start(t, dir, w, conf(1, 2))
		settle(time.Second)
		if err := l.Drains.Set([]string{"vip1"}, Drain{Since: time.Now(), Until: time.Now().Add(time.Minute), Reason: "disk swap"}); err != nil {
			t.Fatal(err)
		}
		l.Wake()
		settle(time.Second)
		if a := w.routes()[0]; len(a.Communities) != 2 {
			t.Errorf("in the grace time: %+v", a)
		}
		settle(2 * time.Second)
		if n := len(w.routes()); n != 1 {
			t.Errorf("after the grace time %d announcements", n)
		}
		if got := states(l.Status()); got["vip1"] != status.Drained || got["vip2"] != status.Announced {
			t.Errorf("states %v", got)
		}
		stop()
		l, stop = start(t, dir, w, conf(1, 2))
		defer stop()
		settle(time.Second)
		if n := len(w.routes()); n != 1 {
			t.Errorf("after a restart %d announcements", n)
		}
		settle(time.Minute)
		if got := states(l.Status()); got["vip1"] != status.Announced {
			t.Errorf("after --for: %v", got)
		}
	})
}

func TestNetworkErrorDelaysNoWithdrawal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(500 * time.Millisecond)
		w.session("rs1", true)
		l, stop := start(t, t.TempDir(), w, conf(1, 2))
		defer stop()
		settle(time.Second)
		w.do(func() { w.netErr = errFake; w.netSlow = 20 * time.Second })
		l.SetConfig(conf(1))
		settle(time.Millisecond)
		if n := len(w.routes()); n != 1 {
			t.Errorf("%d announcements", n)
		}
		settle(time.Minute)
		if s := l.Status(); s.Converged || len(s.Problems) == 0 {
			t.Errorf("converged %v, problems %v", s.Converged, s.Problems)
		}
		w.do(func() { w.netErr = nil; w.netSlow = 0 })
		settle(time.Minute)
		if len(w.addrs) != 1 || !l.Status().Converged {
			t.Errorf("addresses %v, converged %v", w.addrs, l.Status().Converged)
		}
	})
}

func TestSlowSpeakerIsInterruptedByWithdrawal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(500 * time.Millisecond)
		w.session("rs1", true)
		l, stop := start(t, t.TempDir(), w, conf(1))
		defer stop()
		settle(time.Second)
		w.do(func() { w.bgpSlow = 10 * time.Second })
		l.SetConfig(conf(1, 2))
		settle(time.Millisecond)
		w.do(func() { w.bgpSlow = 0 })
		l.SetConfig(conf(3))
		settle(time.Second)
		if got := w.told["rs1"]; len(got) != 1 || !got[netip.PrefixFrom(vip(3), 32)] {
			t.Errorf("rs1 is told %v", got)
		}
	})
}

// step is one thing that happens to the world, and how long until the next.
type step struct {
	op    string
	vips  []int
	vip   int
	on    bool
	pause time.Duration
}

func drawSteps(r *rapid.T) []step {
	draw := rapid.Custom(func(r *rapid.T) step {
		return step{
			op:    rapid.SampledFrom([]string{"config", "take", "link", "session", "neterr", "slow", "check", "check", "drain", "failback"}).Draw(r, "op"),
			vips:  rapid.SliceOfN(rapid.IntRange(1, 5), 0, 5).Draw(r, "vips"),
			vip:   rapid.IntRange(1, 5).Draw(r, "vip"),
			on:    rapid.Bool().Draw(r, "on"),
			pause: time.Duration(rapid.IntRange(0, 700).Draw(r, "pause")) * time.Millisecond,
		}
	})
	return rapid.SliceOfN(draw, 0, 20).Draw(r, "steps")
}

func (s step) do(w *world, l *Loop) {
	name := fmt.Sprintf("vip%d", s.vip)
	switch {
	case s.op == "check":
		state := health.Down
		if s.on {
			state = health.Up
		}
		w.result(l, name+"/tcp", state, "")
		synctest.Wait()
	case s.op == "drain" && s.on:
		_ = l.Drains.Set([]string{name}, Drain{Since: time.Now()})
	case s.op == "drain":
		_ = l.Drains.Clear([]string{name}, nil, time.Now())
	case s.op == "failback":
		_ = l.Failback(context.Background(), []string{name})
	}
	w.do(func() {
		switch s.op {
		case "config":
			l.SetConfig(everyChecked(s.vips...))
		case "take":
			w.take(vip(s.vip))
		case "link":
			w.linkDown = s.on
		case "session":
			w.session("rs1", s.on)
		case "neterr":
			if w.netErr = nil; s.on {
				w.netErr = errFake
			}
		case "slow":
			w.netSlow = s.pause / 2
		}
	})
}

// everyChecked is conf(n...) in which each VIP has a check, and all that can
// follow from one.
func everyChecked(n ...int) *config.Config {
	c := conf(n...)
	c.BGP.DrainRemoves = true
	for i := range c.VIPs {
		v := &c.VIPs[i]
		v.Checks = []string{v.Name + "/tcp"}
		v.DemotedAttrs = config.Attrs{Communities: []plugins.Community{65000<<16 | 2}}
		v.Failover = config.Failover{RecoveryDelay: time.Second, MinAnnounce: 2 * time.Second, NoPreempt: i%2 == 0,
			Damping: &config.Damping{Penalty: 1000, Suppress: 3000, Reuse: 1000, HalfLife: 10 * time.Second, MaxSuppress: 30 * time.Second}}
	}
	return c
}

// TestConverges throws random configs, flaps, errors and sessions at the loop:
// the rules hold at each step, and in the end all is as the last config says.
func TestConverges(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		steps := drawSteps(r)
		// Draw and failures stay outside of the bubble, where rapid's own
		// panics would end the process.
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = converge(t, dir, steps) })
		for _, what := range wrong {
			r.Error(what)
		}
	})
}

func converge(t *testing.T, dir string, steps []step) (wrong []string) {
	w := newWorld(500 * time.Millisecond)
	var want []int
	l, stop := start(t, dir, w, conf())
	for n := range 6 {
		w.result(l, fmt.Sprintf("vip%d/tcp", n), health.Up, "")
	}
	for _, s := range steps {
		if s.op == "config" {
			want = s.vips
		}
		s.do(w, l)
		settle(s.pause)
	}
	w.do(func() {
		w.linkDown, w.netErr, w.netSlow = false, nil, 0
		w.session("rs1", true)
		w.session("rs2", true)
	})
	for n := range 6 {
		w.result(l, fmt.Sprintf("vip%d/tcp", n), health.Up, "")
	}
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if err := l.Drains.Clear(nil, nil, time.Now()); err != nil {
		say("%v", err)
	}
	if err := l.Failback(t.Context(), nil); err != nil {
		say("%v", err)
	}
	settle(2 * time.Minute)
	if n := len(conf(want...).VIPs); len(w.owned) != n || len(w.told["rs1"]) != n || len(w.told["rs2"]) != n {
		say("want %d VIPs; host holds %v, peers are told %v", n, w.owned, w.told)
	}
	if s := l.Status(); !s.Converged || !s.Healthy() {
		say("status: %+v", s)
	}
	calls := w.netCalls + w.bgpCalls
	settle(10 * time.Minute)
	if got := w.netCalls + w.bgpCalls; got != calls {
		say("%d calls of Apply though nothing moved", got-calls)
	}
	stop()
	if len(w.told["rs1"])+len(w.told["rs2"]) != 0 {
		say("left behind: %v", w.told)
	}
	return append(wrong, w.broken...)
}

package policy

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
)

func drawRules(r *rapid.T) config.Failover {
	seconds := func(name string, hi int) time.Duration { return time.Duration(rapid.IntRange(0, hi).Draw(r, name)) * s }
	f := config.Failover{
		OnUnhealthy:   rapid.SampledFrom([]config.OnUnhealthy{config.UnhealthyWithdraw, config.UnhealthyDemote}).Draw(r, "on_unhealthy"),
		RecoveryDelay: seconds("recovery_delay", 20), StartDelay: seconds("start_delay", 20), MinAnnounce: seconds("min_announce", 60),
		NoPreempt: rapid.Bool().Draw(r, "no preempt"),
	}
	if rapid.Bool().Draw(r, "damping") {
		d := &config.Damping{Penalty: rapid.IntRange(1, 3000).Draw(r, "penalty"), Reuse: rapid.IntRange(1, 2000).Draw(r, "reuse")}
		d.Suppress = d.Reuse + rapid.IntRange(1, 4000).Draw(r, "suppress")
		d.HalfLife = s + seconds("half_life", 60)
		d.MaxSuppress = s + seconds("max_suppress", 300)
		f.Damping = d
	}
	return f
}

// TestDecideHolds throws random rules, edges and times at the policy.
func TestDecideHolds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rules := drawRules(r)
		v, m, now := config.VIP{Name: "web", Failover: rules}, Memory{}, start
		decided, steady := false, time.Time{} // healthy since
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90_000).Draw(r, "pause")) * time.Millisecond)
			state := rapid.SampledFrom([]health.State{up, down, down, up, unknown}).Draw(r, "state")
			decided = decided || state != unknown
			var d Decision
			d, m = Decide(v, m, Summary{State: state, Why: "because"}, now)
			switch {
			case state == down && rules.OnUnhealthy == config.UnhealthyWithdraw && d.Route != Withdrawn:
				r.Fatal("announced, though its checks fail")
			case state == down && d.Route == AsRole:
				r.Fatal("not demoted, though its checks fail")
			case state == down && rules.OnUnhealthy == config.UnhealthyDemote && rules.StartDelay == 0 && d.Route != Demoted:
				r.Fatal("not served, though it fails open")
			case !decided && d.Route != Withdrawn:
				r.Fatal("announced before anything was decided")
			case !d.Next.IsZero() && !d.Next.After(now):
				r.Fatalf("the next change, at %s, is not in the future", d.Next)
			case (d.Route == AsRole) != (d.Why == ""):
				r.Fatalf("route %d for the reason %q", d.Route, d.Why)
			}
			if rules.Damping != nil && float64(d.Penalty) > rules.Damping.Ceiling()+1 {
				r.Fatalf("penalty %d is above the ceiling %g", d.Penalty, rules.Damping.Ceiling())
			}
			if rules.Damping != nil && m.Damper.Until.Sub(m.Damper.Since) > rules.Damping.MaxSuppress {
				r.Fatalf("held back from %s to %s", m.Damper.Since, m.Damper.Until)
			}
			switch {
			case state == down:
				steady = time.Time{}
			case state == up && steady.IsZero():
				steady = now
			}
			settled := rules.RecoveryDelay + rules.StartDelay + rules.MinAnnounce
			if rules.Damping != nil {
				settled += rules.Damping.MaxSuppress
			}
			if state == up && now.Sub(steady) > settled && d.Route != AsRole && !(rules.NoPreempt && d.Route == Demoted) {
				r.Fatalf("healthy for %s, and held back all the same: %s", now.Sub(steady), d.Why)
			}
			// Time alone does what Next says, and nothing before it.
			if !d.Next.IsZero() {
				before, _ := Decide(v, m, Summary{State: unknown}, d.Next.Add(-1))
				after, _ := Decide(v, m, Summary{State: unknown}, d.Next)
				if before.Route != d.Route || after.Next.Equal(d.Next) {
					r.Fatalf("next change at %s: %+v, then %+v", d.Next, before, after)
				}
			}
		}
	})
}

// TestFlapsAreCounted: a service that goes down and up each second for ten
// minutes costs no more route changes than the damping allows.
func TestFlapsAreCounted(t *testing.T) {
	// 1000 * (1 + q + q² + q³) with q = 2^(-2/60) is above 3000, so the fourth
	// flap is the last one. When max_suppress is over, there is one more.
	for longest, want := range map[time.Duration]int{11 * time.Minute: 4 * 2, 301 * s: 4*2 + 2, 101 * s: 4*2 + 5*2} {
		d := &config.Damping{Penalty: 1000, Suppress: 3000, Reuse: 1000, HalfLife: time.Minute, MaxSuppress: longest}
		v, m, route, changes := config.VIP{Name: "web", Failover: config.Failover{Damping: d}}, Memory{}, Withdrawn, 0
		for i := range 600 {
			state := up
			if i%2 == 1 {
				state = down
			}
			var got Decision
			got, m = Decide(v, m, Summary{State: state}, start.Add(time.Duration(i)*s))
			if got.Route != route {
				route, changes = got.Route, changes+1
			}
		}
		if changes != want {
			t.Errorf("max_suppress %s: %d route changes, want %d", longest, changes, want)
		}
	}
}

package policy

import (
	"testing"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
)

const (
	none    = health.State("")
	unknown = health.Unknown
	up      = health.Up
	down    = health.Down
)

// step is what the checks say at a moment, and what shall follow.
type step struct {
	at    time.Duration // from the start
	state health.State
	route Route
	why   string
	next  time.Duration // from the start; 0: never
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is the start and so many seconds, as people read it.
func at(seconds int) string { return clock(start.Add(time.Duration(seconds) * time.Second)) }

// TestDecide has a row for each line of the policy.
func TestDecide(t *testing.T) {
	const refused, waits = "https: refused", "waiting for the first results of https"
	const latched = "healthy again, and another host is preferred until somebody runs: stentor failback web (preempt = false)"
	recovering := func(until int) string { return "healthy again, held back (recovery_delay) until " + at(until) }
	tooSoon := func(until int) string { return "healthy again, held back (min_announce) until " + at(until) }
	flapped := func(until int) string { return "healthy again, held back (damping of its flaps) until " + at(until) }
	demote := config.Failover{OnUnhealthy: config.UnhealthyDemote}
	damping := &config.Damping{Penalty: 1000, Suppress: 1500, Reuse: 500, HalfLife: 10 * time.Second, MaxSuppress: 25 * time.Second}

	tests := map[string]struct {
		rules config.Failover
		steps []step
	}{
		"without checks": {steps: []step{{0, none, AsRole, "", 0}}},
		"the first result is good": {steps: []step{
			{0, unknown, Withdrawn, waits, 0}, {1 * s, up, AsRole, "", 0}}},
		"the first result is bad": {steps: []step{
			{0, unknown, Withdrawn, waits, 0}, {1 * s, down, Withdrawn, refused, 0}, {9 * s, up, AsRole, "", 0}}},
		"withdraw": {steps: []step{
			{0, up, AsRole, "", 0}, {5 * s, down, Withdrawn, refused, 0}, {6 * s, up, AsRole, "", 0}}},
		"demote": {rules: demote, steps: []step{
			{0, unknown, Withdrawn, waits, 0}, {1 * s, up, AsRole, "", 0}, {5 * s, down, Demoted, refused, 0}, {6 * s, up, AsRole, "", 0}}},
		"demote, and the first result is bad": {rules: demote, steps: []step{
			{0, unknown, Withdrawn, waits, 0}, {1 * s, down, Demoted, refused, 0}}},
		"a check is replaced while up": {steps: []step{
			{0, up, AsRole, "", 0}, {5 * s, unknown, AsRole, "", 0}, {6 * s, up, AsRole, "", 0}}},
		"a check is replaced while down": {steps: []step{
			{0, down, Withdrawn, refused, 0}, {5 * s, unknown, Withdrawn, refused, 0}, {6 * s, up, AsRole, "", 0}}},
		"the first check comes with a reload": {steps: []step{
			{0, none, AsRole, "", 0}, {5 * s, unknown, AsRole, "", 0}, {6 * s, down, Withdrawn, refused, 0}}},
		"the last check goes with a reload": {steps: []step{
			{0, down, Withdrawn, refused, 0}, {5 * s, none, AsRole, "", 0}}},

		"start_delay": {rules: config.Failover{StartDelay: 30 * s}, steps: []step{
			{0, unknown, Withdrawn, waits, 0}, {1 * s, up, Withdrawn, "not announced before " + at(30) + " (start_delay)", 30 * s},
			{30 * s, up, AsRole, "", 0}, {40 * s, down, Withdrawn, refused, 0}, {41 * s, up, AsRole, "", 0}}},
		"start_delay without checks": {rules: config.Failover{StartDelay: 30 * s}, steps: []step{
			{0, none, Withdrawn, "not announced before " + at(30) + " (start_delay)", 30 * s}, {30 * s, none, AsRole, "", 0}}},
		"start_delay and demote, unhealthy": {rules: config.Failover{StartDelay: 30 * s, OnUnhealthy: config.UnhealthyDemote}, steps: []step{
			{0, down, Withdrawn, "not announced before " + at(30) + " (start_delay)", 30 * s}, {30 * s, down, Demoted, refused, 0}}},

		"recovery_delay": {rules: config.Failover{RecoveryDelay: 10 * s}, steps: []step{
			{0, up, AsRole, "", 0}, {5 * s, down, Withdrawn, refused, 0}, {20 * s, up, Withdrawn, recovering(30), 30 * s}, {30 * s, up, AsRole, "", 0}}},
		"recovery_delay begins anew": {rules: config.Failover{RecoveryDelay: 10 * s}, steps: []step{
			{0, up, AsRole, "", 0}, {5 * s, down, Withdrawn, refused, 0}, {20 * s, up, Withdrawn, recovering(30), 30 * s},
			{29 * s, down, Withdrawn, refused, 0}, {31 * s, up, Withdrawn, recovering(41), 41 * s}, {41 * s, up, AsRole, "", 0}}},
		"recovery_delay, demoted": {rules: config.Failover{OnUnhealthy: config.UnhealthyDemote, RecoveryDelay: 10 * s}, steps: []step{
			{0, up, AsRole, "", 0}, {5 * s, down, Demoted, refused, 0}, {20 * s, up, Demoted, recovering(30), 30 * s}, {30 * s, up, AsRole, "", 0}}},
		"recovery_delay is not for the first start": {rules: config.Failover{RecoveryDelay: 10 * s}, steps: []step{{1 * s, up, AsRole, "", 0}}},

		"min_announce delays no withdrawal, and the next announcement": {rules: config.Failover{MinAnnounce: 60 * s}, steps: []step{
			{10 * s, up, AsRole, "", 0}, {15 * s, down, Withdrawn, refused, 0}, {20 * s, up, Withdrawn, tooSoon(70), 70 * s},
			{70 * s, up, AsRole, "", 0}, {140 * s, down, Withdrawn, refused, 0}, {141 * s, up, AsRole, "", 0}}},
		"min_announce, demoted": {rules: config.Failover{OnUnhealthy: config.UnhealthyDemote, MinAnnounce: 60 * s}, steps: []step{
			{10 * s, up, AsRole, "", 0}, {15 * s, down, Demoted, refused, 0}, {20 * s, up, Demoted, tooSoon(70), 70 * s}, {70 * s, up, AsRole, "", 0}}},
		"the longest wait counts": {rules: config.Failover{MinAnnounce: 60 * s, RecoveryDelay: 10 * s}, steps: []step{
			{0, up, AsRole, "", 0}, {5 * s, down, Withdrawn, refused, 0}, {20 * s, up, Withdrawn, tooSoon(60), 60 * s}, {60 * s, up, AsRole, "", 0},
			{200 * s, down, Withdrawn, refused, 0}, {201 * s, up, Withdrawn, recovering(211), 211 * s}}},

		"no preempt": {rules: config.Failover{NoPreempt: true}, steps: []step{
			{0, up, AsRole, "", 0}, {5 * s, down, Withdrawn, refused, 0}, {6 * s, up, Demoted, latched, 0}, {7 * s, down, Withdrawn, refused, 0}, {999 * s, up, Demoted, latched, 0}}},
		"no preempt, demote": {rules: config.Failover{NoPreempt: true, OnUnhealthy: config.UnhealthyDemote}, steps: []step{
			{0, up, AsRole, "", 0}, {5 * s, down, Demoted, refused, 0}, {6 * s, up, Demoted, latched, 0}}},
		"no preempt: it must have been healthy once": {rules: config.Failover{NoPreempt: true}, steps: []step{
			{0, down, Withdrawn, refused, 0}, {5 * s, up, AsRole, "", 0}}},
		"no preempt, recovery_delay first": {rules: config.Failover{NoPreempt: true, RecoveryDelay: 10 * s}, steps: []step{
			{0, up, AsRole, "", 0}, {5 * s, down, Withdrawn, refused, 0}, {20 * s, up, Withdrawn, recovering(30), 30 * s}, {30 * s, up, Demoted, latched, 0}}},
		"no preempt, min_announce": {rules: config.Failover{NoPreempt: true, MinAnnounce: 20 * s}, steps: []step{
			{0, up, AsRole, "", 0}, {5 * s, down, Withdrawn, refused, 0}, {6 * s, up, Withdrawn, tooSoon(20), 20 * s},
			{20 * s, up, Demoted, latched, 0}, {21 * s, up, Demoted, latched, 0}}},

		// Two flaps 2 s apart cost 1000 * 2^-0.2 + 1000 = 1871, which takes 10 s *
		// log2(1871/500) = 19.035 s to decay to 500.
		"damping": {rules: config.Failover{Damping: damping}, steps: []step{
			{0, up, AsRole, "", 0}, {1 * s, down, Withdrawn, refused, 0}, {2 * s, up, AsRole, "", 0},
			{3 * s, down, Withdrawn, refused, 0}, {4 * s, up, Withdrawn, flapped(22), 22035 * time.Millisecond}, {23 * s, up, AsRole, "", 0}}},
		"damping, demoted": {rules: config.Failover{Damping: damping, OnUnhealthy: config.UnhealthyDemote}, steps: []step{
			{0, up, AsRole, "", 0}, {1 * s, down, Demoted, refused, 0}, {2 * s, up, AsRole, "", 0},
			{3 * s, down, Demoted, refused, 0}, {4 * s, up, Demoted, flapped(22), 22035 * time.Millisecond}, {23 * s, up, AsRole, "", 0}}},
		"damping: flaps far apart cost nothing": {rules: config.Failover{Damping: damping}, steps: []step{
			{0, up, AsRole, "", 0}, {1 * s, down, Withdrawn, refused, 0}, {2 * s, up, AsRole, "", 0},
			{30 * s, down, Withdrawn, refused, 0}, {31 * s, up, AsRole, "", 0}}},
		"damping: max_suppress counts from the first": {rules: config.Failover{Damping: damping}, steps: []step{
			{0, up, AsRole, "", 0}, {1 * s, down, Withdrawn, refused, 0}, {2 * s, up, AsRole, "", 0},
			{3 * s, down, Withdrawn, refused, 0}, {4 * s, up, Withdrawn, flapped(22), 22035 * time.Millisecond},
			{5 * s, down, Withdrawn, refused, 0}, {6 * s, up, Withdrawn, flapped(28), 28 * s},
			{26 * s, down, Withdrawn, refused, 0}, {27 * s, up, Withdrawn, flapped(28), 28 * s}, {28 * s, up, AsRole, "", 0}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v, m := config.VIP{Name: "web", Failover: tt.rules}, Memory{Began: start}
			for _, step := range tt.steps {
				sum := Summary{State: step.state}
				switch step.state {
				case down:
					sum.Why = refused
				case unknown:
					sum.Why = waits
				}
				var d Decision
				now := start.Add(step.at)
				d, m = Decide(v, m, sum, now)
				if d.Route != step.route || d.Why != step.why {
					t.Errorf("at %s, %q: route %d, %q; want %d, %q", step.at, step.state, d.Route, d.Why, step.route, step.why)
				}
				var next time.Duration
				if !d.Next.IsZero() {
					next = d.Next.Sub(start).Round(time.Millisecond)
				}
				if next != step.next {
					t.Errorf("at %s: next change at %s, want %s", step.at, next, step.next)
				}
				if undecided := step.route == Withdrawn && (step.why == waits || step.next != 0 && step.at < tt.rules.StartDelay); d.Undecided != undecided {
					t.Errorf("at %s: undecided is %v", step.at, d.Undecided)
				}
			}
		})
	}
}

const s = time.Second

// TestFailback: what held a healthy VIP back is forgotten, and what was bad
// since counts again.
func TestFailback(t *testing.T) {
	v := config.VIP{Name: "web", Failover: config.Failover{NoPreempt: true, RecoveryDelay: time.Hour, MinAnnounce: time.Hour,
		Damping: &config.Damping{Penalty: 1000, Suppress: 900, Reuse: 100, HalfLife: time.Minute, MaxSuppress: time.Hour}}}
	m := Memory{Began: start}
	var d Decision
	for i, state := range []health.State{up, down, up} {
		d, m = Decide(v, m, Summary{State: state}, start.Add(time.Duration(i)*s))
	}
	if d.Route != Withdrawn || d.Penalty == 0 {
		t.Errorf("before: %+v", d)
	}
	if d, m = Decide(v, m.Failback(), Summary{State: up}, start.Add(3*s)); d.Route != AsRole || d.Penalty != 0 || !d.Next.IsZero() {
		t.Errorf("after: %+v", d)
	}
	_, m = Decide(v, m, Summary{State: down}, start.Add(4*s))
	if d, _ = Decide(v, m, Summary{State: up}, start.Add(5*s)); d.Route != Withdrawn {
		t.Errorf("after another failure: %+v", d)
	}
}

// TestPreemptIsSwitchedOn: a latch does not outlive the rule that set it.
func TestPreemptIsSwitchedOn(t *testing.T) {
	v, m := config.VIP{Name: "web"}, Memory{Began: start, Health: up, Latched: start}
	if d, m := Decide(v, m, Summary{State: up}, start.Add(s)); d.Route != AsRole || !m.Latched.IsZero() {
		t.Errorf("%+v, %+v", d, m)
	}
	// What it is announced as meanwhile stays, too, until min_announce is over.
	v.Failover.MinAnnounce = time.Minute
	m.Route, m.Announced = Demoted, start
	if d, _ := Decide(v, m, Summary{State: up}, start.Add(s)); d.Route != Demoted || !d.Next.Equal(start.Add(time.Minute)) {
		t.Errorf("%+v", d)
	}
}

// Package policy decides what the health of a VIP means for its route. It is
// pure: what was, what is and the time in, a decision out.
package policy

import (
	"fmt"
	"math"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
)

// Route is how a VIP shall be announced. A larger one attracts more traffic.
type Route int

// The routes of a VIP.
const (
	Withdrawn Route = iota
	Demoted         // with config.VIP.DemotedAttrs
	AsRole          // with config.VIP.Attrs
)

// Decision is what becomes of the route of a VIP.
type Decision struct {
	Route Route
	// Why is one sentence; empty when it is announced as its role says.
	Why string
	// Undecided: nothing is wrong with it, it is too early to announce it.
	Undecided bool
	// Next is when time alone changes the decision; zero if it never does.
	Next time.Time
	// Penalty is what its flaps have cost so far.
	Penalty int
}

// Memory is what has to be known of the past of a VIP. The zero value has none.
type Memory struct {
	Began time.Time // when it was seen first
	// Health is the last state that was decided: Up or Down; empty if none was.
	Health health.State
	Why    string // of Down
	// Recovered is when it was healthy again; zero if it never was otherwise.
	Recovered time.Time
	Route     Route
	Announced time.Time // when Route last became larger
	// Latched is since when it waits for a person to take it back, as it was
	// unhealthy and preempt is false; zero if it does not.
	Latched time.Time
	Damper  Damper
}

// Failback forgets all for which a healthy VIP is not announced as its role says.
func (m Memory) Failback() Memory {
	m.Recovered, m.Announced, m.Latched, m.Damper = time.Time{}, time.Time{}, time.Time{}, Damper{}
	return m
}

// Decide judges v by what its checks say now and by what was. The first matching
// line counts:
//
//	nothing decided since the start      not announced
//	within start_delay                   not announced
//	unhealthy                            as on_unhealthy says, at once
//	within recovery_delay, or held back  as on_unhealthy says
//	within min_announce                  as it was
//	was unhealthy, and preempt = false   demoted, until somebody takes it back
//	healthy, or without checks           as its role says
func Decide(v config.VIP, m Memory, s Summary, now time.Time) (Decision, Memory) {
	rules := v.Failover
	m = m.observe(rules, s, now)
	d := m.judge(v, s, now)
	d.Penalty = int(math.Round(m.Damper.now(rules.Damping, now)))
	if d.Route > m.Route {
		m.Announced = now
	}
	m.Route = d.Route
	return d, m
}

// observe takes in the edges of health. Unknown is none: a check that was
// replaced by a reload decides again before it changes anything.
func (m Memory) observe(rules config.Failover, s Summary, now time.Time) Memory {
	if m.Began.IsZero() {
		m.Began = now
	}
	if !rules.NoPreempt {
		m.Latched = time.Time{}
	}
	switch was := m.Health; {
	case s.State == health.Unknown:
	case s.State == health.Down:
		m.Health, m.Why = health.Down, s.Why
		if was != health.Up {
			break
		}
		m.Damper = m.Damper.flap(rules.Damping, now)
		if rules.NoPreempt && m.Latched.IsZero() {
			m.Latched = now
		}
	default:
		m.Health, m.Why = health.Up, ""
		if was == health.Down {
			m.Recovered = now
		}
	}
	return m
}

func (m Memory) judge(v config.VIP, s Summary, now time.Time) Decision {
	rules := v.Failover
	start := m.Began.Add(rules.StartDelay)
	lesser := Withdrawn
	if rules.OnUnhealthy == config.UnhealthyDemote {
		lesser = Demoted
	}
	goal := AsRole
	if !m.Latched.IsZero() {
		goal = Demoted
	}
	switch hold, pause := m.hold(rules, now), m.pause(rules, goal); {
	case m.Health == "":
		return Decision{Undecided: true, Why: s.Why}
	case now.Before(start):
		return Decision{Undecided: true, Next: start, Why: "not announced before " + clock(start) + " (start_delay)"}
	case m.Health == health.Down:
		return Decision{Route: lesser, Why: m.Why}
	case now.Before(hold.until):
		return later(hold, pause).decide(lesser)
	case now.Before(pause.until):
		return pause.decide(max(m.Route, lesser))
	case goal == Demoted:
		return Decision{Route: Demoted, Why: fmt.Sprintf("healthy again, and another host is preferred until somebody runs: stentor failback %s (preempt = false)", v.Name)}
	default:
		return Decision{Route: AsRole}
	}
}

// wait is a time for which a healthy VIP is not announced as it shall be.
type wait struct {
	until time.Time
	why   string
}

func (w wait) decide(r Route) Decision {
	return Decision{Route: r, Next: w.until, Why: "healthy again, held back (" + w.why + ") until " + clock(w.until)}
}

func later(a, b wait) wait {
	if b.until.After(a.until) {
		return b
	}
	return a
}

// hold is for how long nobody trusts its health yet.
func (m Memory) hold(rules config.Failover, now time.Time) wait {
	w := wait{m.Damper.until(rules.Damping, now), "damping of its flaps"}
	if m.Recovered.IsZero() {
		return w
	}
	return later(w, wait{m.Recovered.Add(rules.RecoveryDelay), "recovery_delay"})
}

// pause is for how long it is too soon for another announcement.
func (m Memory) pause(rules config.Failover, goal Route) wait {
	if m.Announced.IsZero() || m.Route >= goal {
		return wait{}
	}
	return wait{m.Announced.Add(rules.MinAnnounce), "min_announce"}
}

// clock is how people read a moment of today.
func clock(t time.Time) string { return t.Format("15:04:05") }

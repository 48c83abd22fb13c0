// Package reconcile makes the host and the speaker hold what the config, the
// kernel and the people on call say.
//
// Desire and Order are pure: facts in, decisions out. Loop gathers the facts,
// and is the only one that lets backends change anything.
package reconcile

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/policy"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// Facts are everything that the decision hangs on.
type Facts struct {
	Config   *config.Config
	View     host.View
	RouterID netip.Addr
	Drains   Drains
	// Health is what the checks found.
	Health health.View
	// Memory is what the decision before this one left; nil at the start.
	Memory Memory
	// Lost tells since when the kernel has not held an address that it held before.
	Lost map[netip.Addr]time.Time
	// Asked is what the network backend was asked to hold by a call that is
	// still running; nil when none is. It may be about to take all else away.
	Asked map[netip.Addr]bool
	// Told are the VIPs of whose drain every peer with a session was told.
	Told map[string]bool
	// Started is when this run began.
	Started time.Time
	Now     time.Time
}

// Memory is what one decision leaves for the next, by VIP name. It is not
// changed once made.
type Memory map[string]memory

type memory struct {
	policy policy.Memory
	drain  drainMemory
}

// Verdict is the decision on one VIP.
type Verdict struct {
	Announce bool
	State    status.State // what a VIP that is not announced shall be called
	Why      string
	Next     time.Time // when time alone changes it; zero if it never does
	// Demoted: announced with DemotedAttrs, so that another host is preferred.
	Demoted bool
	// Removed: it shall not be on the host.
	Removed bool
	Health  health.State // of its checks together; empty if it has none
	Penalty int
	// Latched: it is healthy, or will be, and stays demoted until a person says
	// otherwise.
	Latched bool
}

// Desired is what the backends shall hold.
type Desired struct {
	Host    []plugins.VIP
	Speaker plugins.Speaker
	// Verdicts are by VIP name.
	Verdicts map[string]Verdict
	Memory   Memory
	// Wake is when time alone changes the decision; zero if it never does.
	Wake time.Time
}

// Desire decides. An announcement is in the result only for an address that
// the kernel holds, or held until less than the hold-down ago, and that the
// health of its checks allows.
func Desire(f Facts) Desired {
	c := f.Config
	d := Desired{
		Speaker:  plugins.Speaker{ASN: c.BGP.ASN, RouterID: f.RouterID, Peers: c.BGP.Peers},
		Verdicts: make(map[string]Verdict, len(c.VIPs)),
		Memory:   make(Memory, len(c.VIPs)),
		Host:     make([]plugins.VIP, 0, len(c.VIPs)),
	}
	d.Speaker.Announcements = make([]plugins.Announcement, 0, len(c.VIPs))
	for _, v := range c.VIPs {
		verdict, attrs, m := judge(f, v)
		d.Verdicts[v.Name], d.Memory[v.Name] = verdict, m
		d.Wake = earlier(d.Wake, verdict.Next)
		if !verdict.Removed {
			d.Host = append(d.Host, plugins.VIP{Name: v.Name, Addr: v.Addr, Link: v.Link})
		}
		if verdict.Announce {
			d.Speaker.Announcements = append(d.Speaker.Announcements, announcement(v, attrs))
		}
	}
	d.Wake = earlier(d.Wake, f.Drains.NextEnd())
	return d
}

// judge decides on one VIP: no route without its address, none that its health
// forbids, and of what is left, none that a person has drained.
func judge(f Facts, v config.VIP) (Verdict, config.Attrs, memory) {
	m := f.Memory[v.Name]
	drain, drained := f.Drains.Of(v.Name)
	if drained && !drain.leaving {
		m.policy.Latched = time.Time{} // the person who undrains it wants it back
	}
	health := policy.Summarize(v, f.Health)
	decision, after := policy.Decide(v, m.policy, health, f.Now)
	m.policy = after

	verdict, attrs := place(f, v), v.Attrs
	if verdict.Announce {
		verdict.Next = earlier(verdict.Next, decision.Next)
		switch decision.Route {
		case policy.Withdrawn:
			verdict = Verdict{State: status.Withdrawn, Why: decision.Why, Next: decision.Next}
			if decision.Undecided {
				verdict.State = status.Pending
			}
		case policy.Demoted:
			attrs, verdict.Demoted, verdict.Why = v.DemotedAttrs, true, decision.Why
		}
	}
	if drained {
		m.drain = m.drain.step(f, v.Name, drain, verdict.Announce)
		attrs, verdict = drainAttrs(v, verdict.Demoted), m.drain.verdict(f, drain, verdict)
	} else {
		m.drain = drainMemory{}
	}
	verdict.Health, verdict.Penalty, verdict.Latched = health.State, decision.Penalty, !m.policy.Latched.IsZero()
	return verdict, attrs, m
}

// place judges a VIP by what the kernel holds.
func place(f Facts, v config.VIP) Verdict {
	ok, why := f.View.Holds(v.Addr)
	if ok && f.Asked != nil && !f.Asked[v.Addr] {
		return Verdict{State: status.Pending, Why: "waiting for the network backend, which is at work on an earlier config"}
	}
	if ok {
		return Verdict{Announce: true, State: status.Pending}
	}
	lost, held := f.Lost[v.Addr]
	if !held {
		return Verdict{State: status.Pending, Why: why}
	}
	if until := lost.Add(f.Config.Network.HoldDown); f.Now.Before(until) {
		return Verdict{Announce: true, State: status.Withdrawn, Next: until,
			Why: fmt.Sprintf("%s; withdrawn unless it is back within %s", why, f.Config.Network.HoldDown)}
	}
	return Verdict{State: status.Withdrawn, Why: why}
}

func announcement(v config.VIP, a config.Attrs) plugins.Announcement {
	return plugins.Announcement{
		VIP: v.Name, Prefix: v.Prefix, NextHop: v.NextHop, Peers: v.Peers,
		Communities: a.Communities, LargeCommunities: a.LargeCommunities,
		MED: a.MED, LocalPref: a.LocalPref, Prepend: a.Prepend,
	}
}

// earlier gives the first of two moments, where zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// clock is how people read a moment of today.
func clock(t time.Time) string { return "at " + t.Format("15:04:05") }

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
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// Facts are everything that the decision hangs on.
type Facts struct {
	Config   *config.Config
	View     host.View
	RouterID netip.Addr
	Drains   Drains
	// Lost tells since when the kernel has not held an address that it held before.
	Lost map[netip.Addr]time.Time
	// Asked is what the network backend was asked to hold by a call that is
	// still running; nil when none is. It may be about to take all else away.
	Asked map[netip.Addr]bool
	Now   time.Time
}

// Verdict is the decision on one VIP.
type Verdict struct {
	Announce bool
	State    status.State // what a VIP that is not announced shall be called
	Why      string
}

// Desired is what the backends shall hold.
type Desired struct {
	Host    []plugins.VIP
	Speaker plugins.Speaker
	// Verdicts are by VIP name.
	Verdicts map[string]Verdict
	// Wake is when time alone changes the decision; zero if it never does.
	Wake time.Time
}

// Desire decides. An announcement is in the result only for an address that
// the kernel holds, or held until less than the hold-down ago.
func Desire(f Facts) Desired {
	c := f.Config
	d := Desired{
		Speaker:  plugins.Speaker{ASN: c.BGP.ASN, RouterID: f.RouterID, Peers: c.BGP.Peers},
		Verdicts: make(map[string]Verdict, len(c.VIPs)),
	}
	for _, v := range c.VIPs {
		d.Host = append(d.Host, plugins.VIP{Name: v.Name, Addr: v.Addr, Link: v.Link})
		attrs := v.Attrs
		verdict, until := decide(f, v)
		if drain, drained := f.Drains.Of(v.Name); drained && verdict.Announce {
			attrs = v.DrainAttrs
			verdict, until = decideDrained(f, drain, until)
		}
		d.Verdicts[v.Name] = verdict
		d.Wake = earlier(d.Wake, until)
		if verdict.Announce {
			d.Speaker.Announcements = append(d.Speaker.Announcements, announcement(v, attrs))
		}
	}
	d.Wake = earlier(d.Wake, f.Drains.NextEnd())
	return d
}

// decide judges a VIP by what the kernel holds.
func decide(f Facts, v config.VIP) (Verdict, time.Time) {
	ok, why := f.View.Holds(v.Addr)
	if ok && f.Asked != nil && !f.Asked[v.Addr] {
		return Verdict{State: status.Pending, Why: "waiting for the network backend, which is at work on an earlier config"}, time.Time{}
	}
	if ok {
		return Verdict{Announce: true, State: status.Pending}, time.Time{}
	}
	lost, held := f.Lost[v.Addr]
	if !held {
		return Verdict{State: status.Pending, Why: why}, time.Time{}
	}
	if until := lost.Add(f.Config.Network.HoldDown); f.Now.Before(until) {
		return Verdict{Announce: true, State: status.Withdrawn,
			Why: fmt.Sprintf("%s; withdrawn unless it is back within %s", why, f.Config.Network.HoldDown)}, until
	}
	return Verdict{State: status.Withdrawn, Why: why}, time.Time{}
}

// decideDrained judges a drained VIP that could be announced: for the grace
// time peers are asked to prefer another path, then the route goes.
func decideDrained(f Facts, drain Drain, until time.Time) (Verdict, time.Time) {
	end := drain.Since.Add(f.Config.BGP.DrainGrace)
	if f.Now.Before(end) {
		return Verdict{Announce: true, State: status.Drained,
			Why: drain.why("peers are asked to prefer another host; withdrawn " + clock(end))}, earlier(until, end)
	}
	return Verdict{State: status.Drained, Why: drain.why("withdrawn")}, time.Time{}
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

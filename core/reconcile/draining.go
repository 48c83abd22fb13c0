package reconcile

import (
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// tellLimit is how long a drain waits for the speaker to tell the peers. One
// that can't must not keep a host from being drained.
const tellLimit = 10 * time.Second

// drainMemory is how far the drain of a VIP has come. Its steps follow each
// other, and none is taken back: the peers are told to prefer another host; all
// of them were told, and have the grace time to find it; the route is withdrawn.
type drainMemory struct {
	since time.Time // of the drain that this is about
	told  time.Time // when every peer was told; zero: not yet
	done  bool      // the route is withdrawn
}

// step moves a drain on. can: the VIP could be announced; one that can't be has
// nothing to be drained of, and must not appear now.
func (m drainMemory) step(f Facts, vip string, d Drain, can bool) drainMemory {
	if !m.since.Equal(d.Since) {
		m = drainMemory{since: d.Since}
		if d.Since.Before(f.Started) { // an earlier run has told them
			m.told = d.Since
		}
	}
	if m.told.IsZero() && (f.Told[vip] || !f.Now.Before(d.Since.Add(tellLimit))) {
		m.told = f.Now
	}
	m.done = m.done || !can || !m.told.IsZero() && !f.Now.Before(m.told.Add(f.Config.BGP.DrainGrace))
	return m
}

// verdict is what the step makes of the verdict on a VIP that is not drained.
func (m drainMemory) verdict(f Facts, d Drain, v Verdict) Verdict {
	v.State, v.Why = status.Drained, d.why()
	if m.done {
		return Verdict{State: v.State, Why: v.Why, Next: d.Until, Removed: f.Config.BGP.DrainRemoves && !d.leaving}
	}
	next := d.Since.Add(tellLimit)
	if m.told.IsZero() {
		v.Why += ": the peers are being told to prefer another host"
	} else {
		next = m.told.Add(f.Config.BGP.DrainGrace)
		v.Why += ": the peers were told to prefer another host; withdrawn " + clock(next)
	}
	v.Next = earlier(earlier(v.Next, next), d.Until)
	return v
}

// drainAttrs are the attributes while v is drained. One that is demoted already
// must not become more attractive by it.
func drainAttrs(v config.VIP, demoted bool) config.Attrs {
	if !demoted {
		return v.DrainAttrs
	}
	a := v.DemotedAttrs
	if !slices.Contains(a.Communities, plugins.GracefulShutdown) {
		a.Communities = append(slices.Clone(a.Communities), plugins.GracefulShutdown)
	}
	if a.LocalPref != nil {
		a.LocalPref = new(uint32) // RFC 8326 §4.2
	}
	return a
}

// told are the VIPs whose drain every peer was told of that has a session: the
// speakers hold what the last pass wanted, and say so of each.
func (l *Loop) told(cfg *config.Config) map[string]bool {
	told := map[string]bool{}
	for i, s := range l.speakers() {
		if i >= len(l.shares) || s.busy || s.err != nil || !s.wants(l.shares[i]) {
			return told
		}
	}
	sessions := l.sessions()
	var by map[netip.Prefix][]string
	for _, v := range cfg.VIPs {
		if m := l.memory[v.Name].drain; m.since.IsZero() || !m.told.IsZero() {
			continue
		}
		if by == nil {
			by = toldBy(sessions)
		}
		told[v.Name] = !slices.ContainsFunc(sessions.Peers, func(p plugins.PeerState) bool {
			return p.State == plugins.StateEstablished && v.Tells(p.Name) && !slices.Contains(by[v.Prefix], p.Name)
		})
	}
	return told
}

package reconcile

import (
	"net/netip"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
)

// loss is an address that the kernel held and does not hold now.
type loss struct {
	since    time.Time
	repaired string // the reason for which the backend was last asked to mend it
}

// trackLosses keeps l.held and l.lost up to date, and asks the network backend
// to mend a loss that lasted for the hold-down. Until then it reports holding,
// and nothing is mended: a stack that flaps the address by itself must be let
// finish, and some fail if they find it there already.
func (l *Loop) trackLosses(cfg *config.Config, view host.View, now time.Time) (holding bool) {
	held, lost := make(map[netip.Addr]bool, len(cfg.VIPs)), map[netip.Addr]*loss{}
	for _, v := range cfg.VIPs {
		ok, why := view.Holds(v.Addr)
		if ok || l.held[v.Addr] && !l.removed[v.Addr] {
			held[v.Addr] = true
		}
		if ok || !held[v.Addr] {
			continue
		}
		gone := l.lost[v.Addr]
		if gone == nil {
			l.Log.Warn("shared IP is gone from the host", "vip", v.Name, "why", why)
			gone = &loss{since: now}
		}
		lost[v.Addr] = gone
		switch {
		case now.Sub(gone.since) < cfg.Network.HoldDown:
			holding = true
		case gone.repaired != why:
			gone.repaired = why
			l.net.dirty = true
		}
	}
	l.held, l.lost = held, lost
	return holding
}

// removed are the addresses that a decision wants off the host.
func removed(cfg *config.Config, d Desired) map[netip.Addr]bool {
	addrs := map[netip.Addr]bool{}
	for _, v := range cfg.VIPs {
		if d.Verdicts[v.Name].Removed {
			addrs[v.Addr] = true
		}
	}
	return addrs
}

func (l *Loop) lostSince() map[netip.Addr]time.Time {
	since := make(map[netip.Addr]time.Time, len(l.lost))
	for a, gone := range l.lost {
		since[a] = gone.since
	}
	return since
}

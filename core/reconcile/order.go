package reconcile

import (
	"net/netip"
	"slices"

	"github.com/stentor-net/stentor/plugins"
)

// Exposure are the prefixes that a peer may have been told: those that the
// speaker was asked to announce since it last withdrew with success, and those
// that it says it told.
type Exposure map[netip.Prefix]bool

// before adds what a call that is about to start may announce.
func (e Exposure) before(want plugins.Speaker) {
	for _, a := range want.Announcements {
		e[a.Prefix] = true
	}
}

// after is what is left when the speaker holds want, and tells have.
func after(want plugins.Speaker, have plugins.SpeakerState) Exposure {
	e := make(Exposure, len(want.Announcements))
	e.before(want)
	for _, p := range have.Peers {
		for _, prefix := range p.Announced {
			e[prefix] = true
		}
	}
	return e
}

// Order gives what the host shall hold now: want, and of what it holds already
// that which peers may still send traffic for. So an address leaves the host
// only after its route was withdrawn. The other half of the order, no route
// before its address, lies in Desire, which asks the kernel.
func Order(want []plugins.VIP, held []plugins.VIPState, e Exposure) (now []plugins.VIP, lingering int) {
	wanted := make(map[netip.Addr]bool, len(want))
	for _, v := range want {
		wanted[v.Addr] = true
	}
	lengths := map[int]bool{}
	for p := range e {
		lengths[p.Bits()] = true
	}
	now = want
	for _, h := range held {
		if wanted[h.Addr] {
			continue
		}
		for bits := range lengths {
			if p, err := h.Addr.Prefix(bits); err == nil && e[p] {
				now = append(now[:len(now):len(now)], h.VIP)
				lingering++
				break
			}
		}
	}
	return now, lingering
}

// retreats reports whether next takes back something that cur announces, or
// demotes it: traffic must not wait for that.
func retreats(cur, next plugins.Speaker, verdicts map[string]Verdict) bool {
	if withdraws(cur, next) {
		return true
	}
	demoted := map[string]plugins.Announcement{}
	for _, a := range next.Announcements {
		if verdicts[a.VIP].Demoted {
			demoted[a.VIP] = a
		}
	}
	if len(demoted) == 0 {
		return false
	}
	return slices.ContainsFunc(cur.Announcements, func(was plugins.Announcement) bool {
		now, ok := demoted[was.VIP]
		return ok && !sameAnnouncement(was, now)
	})
}

// withdraws reports whether next takes back something that cur announces.
func withdraws(cur, next plugins.Speaker) bool {
	kept := make(map[netip.Prefix]bool, len(next.Announcements))
	for _, a := range next.Announcements {
		kept[a.Prefix] = true
	}
	for _, a := range cur.Announcements {
		if !kept[a.Prefix] {
			return true
		}
	}
	return false
}

// union is want and all that is held besides.
func union(want []plugins.VIP, held []plugins.VIPState) []plugins.VIP {
	all := want[:len(want):len(want)]
	seen := make(map[netip.Addr]bool, len(want))
	for _, v := range want {
		seen[v.Addr] = true
	}
	for _, h := range held {
		if !seen[h.Addr] {
			all = append(all, h.VIP)
		}
	}
	return all
}

package host

import (
	"cmp"
	"net/netip"
	"slices"
)

// OwnIPv4 is an IPv4 address that belongs to this host alone, for use as BGP
// Identifier (RFC 6286 asks only that it is unique within the AS). It stands on
// the uplink if that has one, or else on the first other link that does;
// loopbacks do not count, nor do addresses for which except says true.
//
// Of several on one link, one within a subnet goes before a /32, which other
// tools use for addresses that move between hosts; then the lowest. The order
// in the kernel would change when a network stack re-adds its addresses, and
// the sessions would all be reset with the identifier.
func (v View) OwnIPv4(except func(netip.Addr) bool) (netip.Addr, bool) {
	var own []Addr
	for a, list := range v.Addrs {
		if !a.Is4() {
			continue
		}
		for _, e := range list {
			// except may look through thousands of VIPs, so it is asked last:
			// most of the addresses stand on lo.
			if e.Global && !e.Secondary && !v.Links[e.Link].Loopback && !except(a) {
				own = append(own, e)
			}
		}
	}
	if len(own) == 0 {
		return netip.Addr{}, false
	}
	best := slices.MinFunc(own, func(a, b Addr) int {
		return cmp.Or(
			cmp.Compare(v.distance(a.Link), v.distance(b.Link)),
			cmp.Compare(a.Prefix.Bits()/32, b.Prefix.Bits()/32),
			a.Prefix.Addr().Compare(b.Prefix.Addr()),
		)
	})
	return best.Prefix.Addr(), true
}

// distance orders links: the uplinks, then the others by index.
func (v View) distance(link string) int {
	switch link {
	case v.Uplink4:
		return -2
	case v.Uplink6:
		return -1
	}
	return v.Links[link].Index
}

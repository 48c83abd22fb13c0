package gobgp

import (
	"net/netip"

	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
)

// hop tells what a peer gets as next hop of a route that names none.
type hop struct {
	addr netip.Addr // zero: the session's own address
	why  string     // why there is none; the route is not sent then
}

// ownHop finds the next hop for a family (4 or 6) on the session.
//
// GoBGP puts the session's own address, whatever its family: an IPv6 next hop
// for an IPv4 prefix even to peers that did not offer RFC 8950, and an IPv4
// one for an IPv6 prefix. Neither must happen.
func (s *session) ownHop(family int) hop {
	over6 := s.peer.Addr.Is6()
	switch {
	case family == 6 == over6:
		return hop{}
	case s.caps == nil:
		return hop{why: "the peer's capabilities are not known yet"}
	case family == 4 && s.caps.extendedNextHop:
		return hop{}
	case family == 4 && s.own4.IsValid():
		return hop{addr: s.own4}
	case family == 4:
		return hop{why: "the peer does not take an IPv6 next hop for IPv4 (RFC 8950), and this host has no IPv4 address of its own to give instead"}
	case s.own6.IsValid():
		return hop{addr: s.own6}
	}
	return hop{why: "this host has no IPv6 address of its own to give as next hop"}
}

// crossFamily tells whether any of the routes may need a next hop of another
// family than the session's, or is of that family: what can be done with it
// depends on the peer's capabilities.
func (s *session) crossFamily(routes map[netip.Prefix]desired.Route) bool {
	over4 := s.peer.Addr.Is4()
	for x, r := range routes {
		if x.Addr().Is4() != over4 || r.NextHop.IsValid() && r.NextHop.Is4() != over4 {
			return true
		}
	}
	return false
}

// sends tells whether a route goes out on the session once it is up, and if
// not although it should, why.
func (s *session) sends(r desired.Route) (ok bool, why string) {
	if !r.IsTold(s.peer.Addr) {
		return false, ""
	}
	family := 4
	if r.Prefix.Addr().Is6() {
		family = 6
	}
	switch {
	case s.caps != nil && family == 4 && !s.caps.ipv4:
		return false, "the peer did not negotiate IPv4 unicast"
	case s.caps != nil && family == 6 && !s.caps.ipv6:
		return false, "the peer did not negotiate IPv6 unicast"
	case !r.NextHop.IsValid():
		why = s.ownHop(family).why
	case family == 4 && r.NextHop.Is6() && s.caps != nil && !s.caps.extendedNextHop:
		why = "the peer does not take the IPv6 next hop " + r.NextHop.String() + " for IPv4 (RFC 8950)"
	}
	return why == "", why
}

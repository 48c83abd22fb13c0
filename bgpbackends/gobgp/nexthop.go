package gobgp

import (
	"net"
	"net/netip"
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
func (s *session) crossFamily(routes map[netip.Prefix]route) bool {
	over4 := s.peer.Addr.Is4()
	for x, r := range routes {
		if x.Addr().Is4() != over4 || r.nextHop.IsValid() && r.nextHop.Is4() != over4 {
			return true
		}
	}
	return false
}

// sends tells whether a route goes out on the session once it is up, and if
// not although it should, why.
func (s *session) sends(r route) (ok bool, why string) {
	if !r.isTold(s.peer.Addr) {
		return false, ""
	}
	family := 4
	if r.prefix.Addr().Is6() {
		family = 6
	}
	switch {
	case s.caps != nil && family == 4 && !s.caps.ipv4:
		return false, "the peer did not negotiate IPv4 unicast"
	case s.caps != nil && family == 6 && !s.caps.ipv6:
		return false, "the peer did not negotiate IPv6 unicast"
	case !r.nextHop.IsValid():
		why = s.ownHop(family).why
	case family == 4 && r.nextHop.Is6() && s.caps != nil && !s.caps.extendedNextHop:
		why = "the peer does not take the IPv6 next hop " + r.nextHop.String() + " for IPv4 (RFC 8950)"
	}
	return why == "", why
}

// Any public address will do to ask the kernel for the default source: these
// are for documentation (RFC 5737, RFC 3849), and nothing is sent there.
var (
	anywhere4 = netip.MustParseAddrPort("192.0.2.1:179")
	anywhere6 = netip.MustParseAddrPort("[2001:db8::1]:179")
)

// ownAddr finds an address of this host for a family (4 or 6) that the peers
// of a session from local can use as next hop: one on the link that carries
// the session, else the source that the kernel takes for the default route.
// Addresses within an announced prefix are shared, so they are no one's own.
func ownAddr(local netip.Addr, family int, announced map[netip.Prefix]route) netip.Addr {
	fits := func(a netip.Addr) bool {
		if (family == 4) != a.Is4() || !a.IsGlobalUnicast() {
			return false
		}
		for bits := a.BitLen(); bits >= 0; bits-- {
			p, _ := a.Prefix(bits)
			if _, shared := announced[p]; shared {
				return false
			}
		}
		return true
	}
	for _, a := range linkAddrs(local) {
		if fits(a) {
			return a
		}
	}
	to := anywhere4
	if family == 6 {
		to = anywhere6
	}
	if a := sourceFor(to); a.IsValid() && fits(a) {
		return a
	}
	return netip.Addr{}
}

// linkAddrs gives all addresses of the link that has addr.
func linkAddrs(addr netip.Addr) []netip.Addr {
	links, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, link := range links {
		addrs, err := link.Addrs()
		if err != nil {
			continue
		}
		var all []netip.Addr
		found := false
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			ip, _ := netip.AddrFromSlice(n.IP)
			all = append(all, ip.Unmap())
			found = found || ip.Unmap() == addr
		}
		if found {
			return all
		}
	}
	return nil
}

// sourceFor asks the kernel which source address it would take. Connecting a
// UDP socket sends no packet.
func sourceFor(to netip.AddrPort) netip.Addr {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

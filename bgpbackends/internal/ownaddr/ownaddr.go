// Package ownaddr finds an address of this host that peers can use as next hop.
package ownaddr

import (
	"net"
	"net/netip"
)

// Any public address will do to ask the kernel for the default source: these
// are for documentation (RFC 5737, RFC 3849), and nothing is sent there.
var (
	anywhere4 = netip.MustParseAddr("192.0.2.1")
	anywhere6 = netip.MustParseAddr("2001:db8::1")
)

// Find gives an address of this host for a family (4 or 6) that the peers of a
// session from local can use as next hop: one on the link that carries the
// session, else the source that the kernel takes for the default route. A
// shared address is no one's own.
func Find(local netip.Addr, family int, shared func(netip.Addr) bool) netip.Addr {
	fits := func(a netip.Addr) bool {
		return a.IsValid() && (family == 4) == a.Is4() && a.IsGlobalUnicast() && !shared(a)
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
	if a := Toward(to); fits(a) {
		return a
	}
	return netip.Addr{}
}

// Within tells whether a lies in one of the prefixes of m.
func Within[V any](m map[netip.Prefix]V, a netip.Addr) bool {
	for bits := a.BitLen(); bits >= 0; bits-- {
		p, _ := a.Prefix(bits)
		if _, there := m[p]; there {
			return true
		}
	}
	return false
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

// Toward asks the kernel which source address it would take for to; zero if
// there is no way. Connecting a UDP socket sends no packet.
func Toward(to netip.Addr) netip.Addr {
	const anyPort = 179
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, anyPort)))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

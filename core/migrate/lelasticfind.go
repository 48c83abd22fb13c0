package migrate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/stentor-net/stentor/core/host"
)

// Found is an address of the host that lelastic would announce.
type Found struct {
	Addr   netip.Addr   // as it stands
	Stands netip.Prefix // with the length that it has there
	Prefix netip.Prefix // announced
	Link   string
}

// LeftOut is one that lelastic would announce, or another one might expect to
// be announced, and Stentor does not.
type LeftOut struct {
	Stands netip.Prefix
	Link   string
	Why    string
}

func (l LeftOut) String() string { return fmt.Sprintf("%s on %s: %s", l.Stands, l.Link, l.Why) }

// Find looks for shared IPs where lelastic does: on lo, or on every link. The
// host's own addresses are left out, by what the kernel says of them and by
// source, from which the host reaches the route servers; while that is unknown
// (zero), so is every IPv6 address on another link than lo.
func (l Lelastic) Find(view host.View, source netip.Addr) (found []Found, left []LeftOut) {
	own := ownPrefixes(view, source)
	for _, a := range entries(view, l.AllIfs) {
		addr := a.Prefix.Addr()
		out := func(why string) { left = append(left, LeftOut{a.Prefix, a.Link, why}) }
		if addr.IsLoopback() || addr.IsLinkLocalUnicast() {
			continue
		}
		if addr.Is4() && !a.Prefix.IsSingleIP() {
			if a.Link == "lo" {
				out("lelastic announces IPv4 as /32 alone")
			}
			continue // an uplink's own, mostly
		}
		f := Found{Addr: addr, Stands: a.Prefix, Prefix: l.announced(a.Prefix), Link: a.Link}
		switch {
		case a.Link == "lo":
		case a.Dynamic:
			out("it has a lifetime, so DHCP or a router advertisement gave it to this host alone")
			continue
		case addr.Is6() && addr.IsPrivate():
			out("a unique local address, which no provider routes")
			continue
		case addr.Is6() && !source.IsValid():
			out("there is no way to the route servers now, so it can't be told from the host's own")
			continue
		case slices.ContainsFunc(own, f.Prefix.Contains):
			out("it is of the network of the uplink's own address")
			continue
		}
		if i := slices.IndexFunc(found, func(g Found) bool { return g.Prefix == f.Prefix }); i >= 0 {
			if addr != found[i].Addr {
				out(fmt.Sprintf("%s is announced for %s already", f.Prefix, found[i].Addr))
			}
			continue
		}
		found = append(found, f)
	}
	return found, left
}

// announced is the prefix that goes out for an address: an IPv6 one as it
// stands if that is a range, else the flag's. A /64 stays one in spite of
// -send56: that is what lelastic does, and its partner on the other host.
func (l Lelastic) announced(stands netip.Prefix) netip.Prefix {
	bits := stands.Bits()
	if stands.Addr().Is6() && bits != 64 && bits != 56 {
		bits = 64
		if l.Send56 {
			bits = 56
		}
	}
	return netip.PrefixFrom(stands.Addr(), bits).Masked()
}

// entries are the addresses in a fixed order, those of lo first.
func entries(view host.View, all bool) []host.Addr {
	var list []host.Addr
	for _, on := range view.Addrs {
		for _, a := range on {
			if all || a.Link == "lo" {
				list = append(list, a)
			}
		}
	}
	rank := func(a host.Addr) int {
		if a.Link == "lo" {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b host.Addr) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Prefix.Addr().Compare(b.Prefix.Addr()),
			cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()), cmp.Compare(a.Link, b.Link))
	})
	return list
}

// ownPrefixes are the host's own IPv6 addresses on links to others.
func ownPrefixes(view host.View, source netip.Addr) []netip.Addr {
	var own []netip.Addr
	for addr, on := range view.Addrs {
		for _, a := range on {
			if addr.Is6() && !view.Links[a.Link].Loopback && (a.Dynamic || addr == source || fromMAC(addr)) && !addr.IsLinkLocalUnicast() {
				own = append(own, addr)
			}
		}
	}
	return own
}

// fromMAC: an interface identifier made of a MAC address (RFC 4291 appendix A)
// is what a host gives itself, also where a tool wrote it down.
func fromMAC(a netip.Addr) bool {
	b := a.As16()
	return b[11] == 0xff && b[12] == 0xfe
}

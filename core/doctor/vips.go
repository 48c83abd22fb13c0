package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/plugins"
)

// places looks at where each VIP stands by now. That one stands nowhere is no
// finding: it may be added yet.
func (x *exam) places() {
	for _, v := range x.Config.VIPs {
		object := "vip " + v.Name
		if v.Link == x.View.Uplink4 || v.Link == x.View.Uplink6 {
			x.add(CodeLinkIsUplink, Warning, object, fmt.Sprintf("its link %s is the uplink: every host that holds it answers neighbours there, and IPv6 may find a duplicate", v.Link),
				fmt.Sprintf("set link = \"lo\" in [vip.%s]", v.Name))
		}
		for _, a := range x.View.Addrs[v.Addr] {
			x.place(object, v, a)
		}
	}
}

func (x *exam) place(object string, v config.VIP, a host.Addr) {
	want := netip.PrefixFrom(v.Addr, v.Addr.BitLen())
	remove := fmt.Sprintf("ip address del %s dev %s, and take it out of what put it there", a.Prefix, a.Link)
	if a.Link != v.Link {
		where := a.Link
		if a.Link == x.View.Uplink4 || a.Link == x.View.Uplink6 {
			where = "the uplink " + a.Link
		}
		x.add(CodeWrongLink, Warning, object, fmt.Sprintf("%s stands on %s, the config says %s", v.Addr, where, v.Link), remove)
	}
	switch {
	case a.Prefix == want:
	case x.View.Links[a.Link].Loopback:
		x.add(CodeWidePrefix, Warning, object, fmt.Sprintf("%s on %s makes all of %s this host's own: it reaches none of it through the network",
			a.Prefix, a.Link, a.Prefix.Masked()), fmt.Sprintf("replace it by %s; what is announced does not depend on it", want))
	default:
		x.add(CodeOwnAddress, Warning, object, fmt.Sprintf("%s is %s's own address in %s, and will not move to another host with its route",
			v.Addr, a.Link, a.Prefix.Masked()), "share an address that belongs to no host")
	}
	if a.Dynamic {
		x.add(CodeDynamic, Warning, object, fmt.Sprintf("%s has a lifetime on %s: DHCP or a router advertisement gave it, and may take it away", v.Addr, a.Link),
			"share an address that belongs to no host")
	}
	if !a.Usable {
		x.add(CodeNotUsable, Problem, object, fmt.Sprintf("%s on %s is tentative or a duplicate (RFC 4862 §5.4)", v.Addr, a.Link), remove)
	}
	if a.Secondary {
		x.add(CodeSecondary, Warning, object, fmt.Sprintf("%s on %s is secondary: when the first address of that subnet goes, the kernel takes it along", a.Prefix, a.Link),
			fmt.Sprintf("give it and the others on %s the length /32", a.Link))
	}
}

// ranges: who announces a range in which this host's own address lies, sends
// away what is for the host itself as soon as another host is preferred. That
// may be meant, but not with what the network gave the host to speak by.
func (x *exam) ranges() {
	uplinks := x.ownOnUplinks()
	for _, v := range x.Config.VIPs {
		if own, ok := within(uplinks, v.Prefix); ok {
			severity := Warning
			if own.Dynamic || x.speaksBy(own.Prefix.Addr()) {
				severity = Problem
			}
			x.add(CodeCoversOwn, severity, "vip "+v.Name, fmt.Sprintf("%s is announced, and %s, %s's own address, lies in it: what is for this host follows the shared IP", v.Prefix, own.Prefix.Addr(), own.Link),
				"share a range that is routed to you, and no part of the uplink's subnet")
		}
	}
}

// ownOnUplinks are the addresses there that are not shared, the lowest first.
func (x *exam) ownOnUplinks() []host.Addr {
	var own []host.Addr
	for a, list := range x.View.Addrs {
		if _, shared := x.shared[a]; shared {
			continue
		}
		for _, e := range list {
			if e.Link == x.View.Uplink4 || e.Link == x.View.Uplink6 {
				own = append(own, e)
			}
		}
	}
	slices.SortFunc(own, func(a, b host.Addr) int { return a.Prefix.Addr().Compare(b.Prefix.Addr()) })
	return own
}

// within finds the first of them that lies in a range of several addresses.
func within(own []host.Addr, p netip.Prefix) (host.Addr, bool) {
	i := slices.IndexFunc(own, func(a host.Addr) bool { return !p.IsSingleIP() && p.Contains(a.Prefix.Addr()) })
	if i < 0 {
		return host.Addr{}, false
	}
	return own[i], true
}

// speaksBy tells whether a session comes from that address.
func (x *exam) speaksBy(a netip.Addr) bool {
	return slices.ContainsFunc(x.Config.BGP.Peers, func(p plugins.Peer) bool {
		route, err := x.RouteTo(p.Addr)
		return p.LocalAddr == a || !p.LocalAddr.IsValid() && err == nil && route.Source == a
	})
}

// neighbours: in a subnet an address is looked for by ARP or Neighbor Discovery
// (RFC 4861 §7.2.2), which nobody answers for an address on lo. IPv4 with
// arp_ignore=0 is the other way round, and arp's.
func (x *exam) neighbours() {
	uplinks := x.ownOnUplinks()
	for _, l := range x.arrivals() {
		subnets := x.subnets(l.Name)
		answers := x.effective(l.Name, "arp_ignore") == 0
		for _, v := range x.Config.VIPs {
			i := slices.IndexFunc(subnets, func(p netip.Prefix) bool { return p.Contains(v.Addr) })
			if i < 0 || v.Link == l.Name || isIPv4(v) && answers {
				continue
			}
			_, covers := within(uplinks, v.Prefix)
			stands := slices.ContainsFunc(x.View.Addrs[v.Addr], func(a host.Addr) bool { return a.Link == l.Name })
			if covers || stands {
				continue // which is a trap of its own
			}
			x.add(CodeOnLink, Warning, "vip "+v.Name, fmt.Sprintf("%s lies in %s, the subnet of %s: hosts there look for it among their neighbours, where none answers, and need the route instead", v.Addr, subnets[i].Masked(), l.Name),
				"share an address outside the subnet, or see that the hosts there send by way of a router that has the route")
		}
	}
}

// Addresses that nobody has, so the way to them is the default route's: that of
// RFC 7600 for IPv4, one of the discard prefix (RFC 6666) for IPv6.
var nobodys = []netip.Addr{netip.MustParseAddr("192.0.0.8"), netip.MustParseAddr("100::1")}

// hostSource: without an address of its own on the uplink a host says what it
// has to say by a shared one, and another host may get the answer.
func (x *exam) hostSource() {
	for _, a := range nobodys {
		route, err := x.RouteTo(a)
		if err != nil || x.View.Links[route.Link].Loopback {
			continue
		}
		if vip, shared := x.shared[route.Source]; shared {
			x.add(CodeHostSource, Warning, "link "+route.Link, fmt.Sprintf("what this host itself sends by %s comes from %s, the shared IP of vip %s: the answer goes to whoever has it then", route.Link, route.Source, vip),
				fmt.Sprintf("give %s an address of its own, or the default route one: ip route change default ... src ADDRESS", route.Link))
		}
	}
}

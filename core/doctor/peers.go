package doctor

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/plugins"
)

// peers asks the kernel for the way to each peer.
func (x *exam) peers() {
	for _, p := range x.Config.BGP.Peers {
		object := "peer " + p.Name
		route, err := x.RouteTo(p.Addr)
		switch {
		case errors.Is(err, host.ErrNoRoute) && p.Addr.Is6() && x.setting("net/ipv6/conf/all/disable_ipv6") == 1:
			x.add(Problem, object, fmt.Sprintf("no route to %s: IPv6 is disabled on this host", p.Addr), set(0, "net/ipv6/conf/all/disable_ipv6"))
		case errors.Is(err, host.ErrNoRoute):
			x.add(Problem, object, err.Error(), "add a route to it; \"ip route get "+p.Addr.String()+"\" says what the kernel thinks")
		case err != nil:
			x.add(Warning, object, err.Error(), "run this check as root")
		default:
			x.route(object, p, route)
			x.source(object, p, route)
		}
	}
}

func (x *exam) route(object string, p plugins.Peer, route host.Route) {
	if x.View.Links[route.Link].Loopback {
		x.add(Problem, object, fmt.Sprintf("the way to %s ends on this host (%s): it is the host's own address, or lies in a prefix on %s",
			p.Addr, route.Link, route.Link), "give addresses on "+route.Link+" the length /32 or /128, and check the peer's address")
	}
	if route.Gateway.IsValid() && p.ASN != x.Config.BGP.ASN && p.TTL <= 1 && p.TTLSecurity <= 1 {
		x.add(Warning, object, fmt.Sprintf("%s is behind the gateway %s, but packets to it leave with a TTL for neighbours only",
			p.Addr, route.Gateway), fmt.Sprintf("set ttl in [bgp.peer.%s] to 2 or more (multihop)", p.Name))
	}
}

// source: a session from a shared IP would fail over with it, and answers of
// the peer may reach the other host.
func (x *exam) source(object string, p plugins.Peer, route host.Route) {
	own := fmt.Sprintf("give %s an address of its own, or name one as local_address in [bgp.peer.%s]", route.Link, p.Name)
	source := route.Source
	if p.LocalAddr.IsValid() {
		source = p.LocalAddr
		own = fmt.Sprintf("name an address of this host alone as local_address in [bgp.peer.%s]", p.Name)
		if ok, why := x.View.Holds(source); !ok {
			if _, shared := x.shared[source]; !shared {
				x.add(Problem, object, fmt.Sprintf("its local address can't be used: %s", why), own)
			}
		}
	}
	switch vip, shared := x.shared[source]; {
	case shared:
		x.add(Problem, object, fmt.Sprintf("the session would come from %s, the shared IP of vip %s", source, vip), own)
	case !source.IsValid():
		x.add(Warning, object, fmt.Sprintf("the kernel knows no source address towards %s", p.Addr), own)
	case p.Addr.Is6() && source.IsLinkLocalUnicast() && !p.Addr.IsLinkLocalUnicast():
		x.add(Problem, object, fmt.Sprintf("towards %s this host has only the link-local address %s, no global IPv6 address", p.Addr, source), own)
	}
}

// routerID: two speakers of one AS with the same BGP Identifier can't be told
// apart (RFC 6286 §2.1). A duplicate on another host can't be seen from here.
func (x *exam) routerID() {
	if x.Config.BGP.RouterID.IsValid() {
		return
	}
	shared := func(a netip.Addr) bool { _, ok := x.shared[a]; return ok }
	if _, ok := x.View.OwnIPv4(shared); !ok {
		x.add(Note, "router_id", "this host has no IPv4 address of its own: the BGP Identifier is made of its machine id and hardware addresses",
			"set router_id in [bgp] to an IPv4 address that no other host uses, if you want to recognise it; it need not be on this host")
	}
}

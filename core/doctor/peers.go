package doctor

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"strconv"
	"strings"

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
			x.add(CodeNoRoute, Problem, object, fmt.Sprintf("no route to %s: IPv6 is disabled on this host", p.Addr), set(0, "net/ipv6/conf/all/disable_ipv6"))
		case errors.Is(err, host.ErrNoRoute):
			x.add(CodeNoRoute, Problem, object, err.Error(), "add a route to it; \"ip route get "+p.Addr.String()+"\" says what the kernel thinks")
		case err != nil:
			x.add(CodeRouteUnknown, Warning, object, err.Error(), "run this check as root")
		default:
			x.route(object, p, route)
			x.source(object, p, route)
		}
	}
}

func (x *exam) route(object string, p plugins.Peer, route host.Route) {
	if x.View.Links[route.Link].Loopback {
		x.add(CodePeerIsLocal, Problem, object, fmt.Sprintf("the way to %s ends on this host (%s): it is the host's own address, or lies in a prefix on %s",
			p.Addr, route.Link, route.Link), "give addresses on "+route.Link+" the length /32 or /128, and check the peer's address")
	}
	if vip, shared := x.shared[route.Gateway]; shared {
		x.add(CodeGatewayShared, Problem, object, fmt.Sprintf("the gateway towards it is %s, the shared IP of vip %s: the way there ends on this host", route.Gateway, vip),
			"send by the router's own address; an address that a router has is none to share with it")
	}
	if mtu := x.mtu(route.Link); route.Gateway.IsValid() && mtu > ethernetMTU {
		x.add(CodeMTU, Note, object, fmt.Sprintf("%s takes packets of %d bytes; if a router on the way to %s does not, and its answer is filtered, the session comes up and hangs at the first long message", route.Link, mtu, p.Addr),
			"if a session ends by its Hold Timer again and again: "+set(1, "net/ipv4/tcp_mtu_probing"))
	}
	if route.Gateway.IsValid() && p.ASN != x.Config.BGP.ASN && p.TTL <= 1 && p.TTLSecurity <= 1 {
		x.add(CodeTTL, Warning, object, fmt.Sprintf("%s is behind the gateway %s, but packets to it leave with a TTL for neighbours only",
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
				x.add(CodeLocalAddress, Problem, object, fmt.Sprintf("its local address can't be used: %s", why), own)
			}
		}
	}
	switch vip, shared := x.shared[source]; {
	case shared:
		x.add(CodeSessionSource, Problem, object, fmt.Sprintf("the session would come from %s, the shared IP of vip %s", source, vip), own)
	case !source.IsValid():
		x.add(CodeNoSource, Warning, object, fmt.Sprintf("the kernel knows no source address towards %s", p.Addr), own)
	case p.Addr.Is6() && source.IsLinkLocalUnicast() && !p.Addr.IsLinkLocalUnicast():
		x.add(CodeLinkLocalSource, Problem, object, fmt.Sprintf("towards %s this host has only the link-local address %s, no global IPv6 address", p.Addr, source), own)
	case x.temporary(source):
		x.add(CodeTemporarySource, Warning, object, fmt.Sprintf("the session would come from %s, a temporary address (RFC 8981): it is replaced every day or so, and a peer that knows this host by its other address refuses it", source),
			fmt.Sprintf("name the lasting address of %s as local_address in [bgp.peer.%s], or %s", route.Link, p.Name, set(0, "net/ipv6/conf/"+route.Link+"/use_tempaddr")))
	}
}

// ethernetMTU is what the Internet can be trusted to carry.
const ethernetMTU = 1500

// mtu is a link's; 0 if it is not known.
func (x *exam) mtu(link string) int {
	b, err := fs.ReadFile(x.Files, path.Join("sys/class/net", link, "mtu"))
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(b))) // the kernel writes it
	return n
}

// temporary tells a temporary address by its flag in if_inet6: address, index,
// length, scope, flags, link.
func (x *exam) temporary(a netip.Addr) bool {
	const ifaFTemporary = 0x01 // linux/if_addr.h
	bytes := a.As16()
	want := hex.EncodeToString(bytes[:])
	for _, line := range x.lines("proc/thread-self/net/if_inet6") {
		if f := strings.Fields(line); len(f) == 6 && f[0] == want {
			flags, err := strconv.ParseUint(f[4], 16, 32)
			return err == nil && flags&ifaFTemporary != 0
		}
	}
	return false
}

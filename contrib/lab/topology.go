package lab

import (
	"fmt"
	"net/netip"
	"slices"
)

// The nodes that every lab has; the route servers are rs1, rs2 and so on.
const (
	Client = "client" // pings the shared addresses
	Router = "router" // forwards by what the route servers say
	HostA  = "a"
	HostB  = "b"
)

// wire is the node that all cables run through, a bridge for each segment: a
// port taken off its bridge drops packets without either end losing carrier,
// and a port set down is a pulled cable.
const wire = "wire"

// The addresses of the lab. What stands for the world outside it is from
// ranges that no shared address or peer is likely to be in.
var (
	client4, clientGW4 = netip.MustParsePrefix("100.64.7.2/30"), netip.MustParsePrefix("100.64.7.1/30")
	client6, clientGW6 = netip.MustParsePrefix("fd5e:7e57:0:c::2/64"), netip.MustParsePrefix("fd5e:7e57:0:c::1/64")
	hostA4, hostAGW4   = netip.MustParsePrefix("100.64.10.2/24"), netip.MustParsePrefix("100.64.10.1/24")
	hostA6, hostAGW6   = netip.MustParsePrefix("2600:3c0f:a:a::11/64"), netip.MustParsePrefix("2600:3c0f:a:a::1/64")
	hostB4, hostBGW4   = netip.MustParsePrefix("100.64.11.3/24"), netip.MustParsePrefix("100.64.11.1/24")
	hostB6, hostBGW6   = netip.MustParsePrefix("2600:3c0f:a:b::12/64"), netip.MustParsePrefix("2600:3c0f:a:b::1/64")
	// On a shared segment host B lies in the network of host A.
	shared4, shared6 = netip.MustParsePrefix("100.64.10.3/24"), netip.MustParsePrefix("2600:3c0f:a:a::12/64")
	// The core links router and route servers, below the peers' own addresses.
	core     = netip.MustParsePrefix("fd5e:7e57::/64")
	coreGW   = netip.MustParsePrefix("fd5e:7e57::ff/64")
	default4 = netip.MustParsePrefix("0.0.0.0/0")
	default6 = netip.MustParsePrefix("::/0")
)

// Initial TTL and hop limit of what the hosts send, by which a prober knows
// who replied; a router on the way takes off 1.
const (
	ttlA = 64
	ttlB = 50
)

func hostByTTL(ttl int) string {
	if ttl <= ttlB {
		return HostB
	}
	return HostA
}

// topology is a network as data; wiring.go makes it.
type topology struct {
	nodes   []string
	cables  []cable
	addrs   []address
	routes  []route
	sysctls []sysctl
}

// cable joins a node's link to a port of a segment's bridge in wire.
type cable struct{ node, link, port, segment string }

type address struct {
	node, link string
	prefix     netip.Prefix
}

// route goes to dst by via, or straight over the link if via is the zero Addr.
type route struct {
	node, link string
	dst        netip.Prefix
	via        netip.Addr
}

type sysctl struct{ node, key, value string }

func rsName(i int) string { return fmt.Sprintf("rs%d", i+1) }

// coreAddr is the i'th route server's address in the core.
func coreAddr(i int) netip.Addr {
	a := core.Addr().As16()
	a[15] = byte(i + 1)
	return netip.AddrFrom16(a)
}

// newTopology lays out the network. Routed, a host reaches the route servers
// through the router; shared, hosts, router and route servers are on one
// segment, as with a top-of-rack switch.
func newTopology(routeServers []netip.Addr, shared bool) topology {
	t := topology{nodes: []string{wire, Client, Router, HostA, HostB}}
	hostSegments, rsSegment := []string{HostA, HostB}, "core"
	b4, b6, bGW4, bGW6 := hostB4, hostB6, hostBGW4, hostBGW6
	if shared {
		hostSegments, rsSegment = []string{"lan", "lan"}, "lan"
		b4, b6, bGW4, bGW6 = shared4, shared6, hostAGW4, hostAGW6
	}

	t.cable(Client, "eth0", "client")
	t.cable(Router, "client", "client")
	for i, host := range []string{HostA, HostB} {
		t.cable(host, "eth0", hostSegments[i])
	}
	for _, segment := range slices.Compact(append(hostSegments, rsSegment)) {
		t.cable(Router, segment, segment)
	}

	t.addr(Client, "eth0", client4, client6)
	t.addr(Router, "client", clientGW4, clientGW6)
	t.defaults(Client, clientGW4.Addr(), clientGW6.Addr())
	t.addr(HostA, "eth0", hostA4, hostA6)
	t.addr(Router, hostSegments[0], hostAGW4, hostAGW6)
	t.defaults(HostA, hostAGW4.Addr(), hostAGW6.Addr())
	t.addr(HostB, "eth0", b4, b6)
	if !shared {
		t.addr(Router, hostSegments[1], bGW4, bGW6)
	}
	t.defaults(HostB, bGW4.Addr(), bGW6.Addr())
	t.addr(Router, rsSegment, coreGW)

	for i, addr := range routeServers {
		node, host := rsName(i), netip.PrefixFrom(addr, addr.BitLen())
		t.nodes = append(t.nodes, node)
		t.cable(node, "eth0", rsSegment)
		t.addr(node, "eth0", netip.PrefixFrom(coreAddr(i), core.Bits()), host)
		t.route(Router, rsSegment, host, coreAddr(i))
		if shared {
			t.route(node, "eth0", hostA4.Masked(), netip.Addr{})
			t.route(node, "eth0", hostA6.Masked(), netip.Addr{})
			t.route(HostA, "eth0", host, netip.Addr{})
			t.route(HostB, "eth0", host, netip.Addr{})
		}
		t.defaults(node, coreGW.Addr(), coreGW.Addr())
	}
	t.tune()
	return t
}

func (t *topology) cable(node, link, segment string) {
	port := node
	if node == Router {
		port = "r-" + segment
	}
	t.cables = append(t.cables, cable{node, link, port, segment})
}

func (t *topology) addr(node, link string, prefixes ...netip.Prefix) {
	for _, p := range prefixes {
		t.addrs = append(t.addrs, address{node, link, p})
	}
}

func (t *topology) route(node, link string, dst netip.Prefix, via netip.Addr) {
	t.routes = append(t.routes, route{node, link, dst, via})
}

func (t *topology) defaults(node string, via4, via6 netip.Addr) {
	t.route(node, "eth0", default4, via4)
	t.route(node, "eth0", default6, via6)
}

// tune sets what the links inherit, so it is applied before there are any. A
// new namespace may have the machine's own values (devconf_inherit_init_net in
// ip-sysctl), so all that the lab relies on is set.
func (t *topology) tune() {
	set := func(node string, pairs ...string) {
		for i := 0; i < len(pairs); i += 2 {
			t.sysctls = append(t.sysctls, sysctl{node, pairs[i], pairs[i+1]})
		}
	}
	for _, node := range t.nodes {
		if node == wire {
			set(node, "ipv6.conf.all.disable_ipv6", "1", "ipv6.conf.default.disable_ipv6", "1")
			continue
		}
		set(node,
			"ipv6.conf.all.disable_ipv6", "0", "ipv6.conf.default.disable_ipv6", "0",
			// Addresses serve at once: there are no duplicates here to detect.
			"ipv6.conf.all.accept_dad", "0", "ipv6.conf.default.accept_dad", "0",
			"ipv4.conf.all.rp_filter", "0", "ipv4.conf.default.rp_filter", "0")
	}
	set(Router, "ipv4.ip_forward", "1", "ipv6.conf.all.forwarding", "1", "ipv6.conf.default.forwarding", "1")
	set(HostA, "ipv4.ip_default_ttl", fmt.Sprint(ttlA), "ipv6.conf.default.hop_limit", fmt.Sprint(ttlA))
	set(HostB, "ipv4.ip_default_ttl", fmt.Sprint(ttlB), "ipv6.conf.default.hop_limit", fmt.Sprint(ttlB))
}

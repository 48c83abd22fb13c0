package gobgp

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
)

// The next hop that a peer gets for a route without one of its own.
func TestOwnHop(t *testing.T) {
	own4, own6 := netip.MustParseAddr(host4), netip.MustParseAddr(host6)
	modern := &capabilities{ipv4: true, ipv6: true, extendedNextHop: true}
	old := &capabilities{ipv4: true, ipv6: true}
	for _, c := range []struct {
		name       string
		addr       string
		caps       *capabilities
		own4, own6 netip.Addr
		family     int
		want       string // a next hop, "own" for the session's, "none"
	}{
		{"IPv4 over IPv4", tor4, nil, netip.Addr{}, netip.Addr{}, 4, "own"},
		{"IPv6 over IPv6", rs1, nil, netip.Addr{}, netip.Addr{}, 6, "own"},
		{"IPv4 over IPv6, OPEN not seen", rs1, nil, own4, netip.Addr{}, 4, "none"},
		{"IPv4 over IPv6 with RFC 8950", rs1, modern, own4, netip.Addr{}, 4, "own"},
		{"IPv4 over IPv6 without", rs1, old, own4, netip.Addr{}, 4, host4},
		{"IPv4 over IPv6 without, no IPv4", rs1, old, netip.Addr{}, own6, 4, "none"},
		{"IPv6 over IPv4", tor4, modern, netip.Addr{}, own6, 6, host6},
		{"IPv6 over IPv4, no IPv6", tor4, modern, own4, netip.Addr{}, 6, "none"},
	} {
		s := &session{peer: peer("p", c.addr), caps: c.caps, own4: c.own4, own6: c.own6}
		hop, got := s.ownHop(c.family), "own"
		switch {
		case hop.why != "":
			got = "none"
		case hop.addr.IsValid():
			got = hop.addr.String()
		}
		if got != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, got, hop.why, c.want)
		}
	}
}

func TestSends(t *testing.T) {
	v4, v6 := desired.Route{Prefix: netip.MustParsePrefix(vipA)}, desired.Route{Prefix: netip.MustParsePrefix(vipB)}
	hop6, hop4, others := v4, v4, v6
	hop6.NextHop, hop4.NextHop = netip.MustParseAddr("fd00::99"), netip.MustParseAddr("192.0.2.99")
	others.Restricted, others.Only = true, []netip.Addr{netip.MustParseAddr(rs2)}
	for _, c := range []struct {
		name string
		caps capabilities
		r    desired.Route
		why  string // "" means that it is sent, "-" that it is not meant for the peer
	}{
		{"no IPv6", capabilities{ipv4: true}, v6, "the peer did not negotiate IPv6 unicast"},
		{"no IPv4", capabilities{ipv6: true}, v4, "the peer did not negotiate IPv4 unicast"},
		{"IPv6", capabilities{ipv6: true}, v6, ""},
		{"explicit IPv4 next hop", capabilities{ipv4: true}, hop4, ""},
		{"explicit IPv6 next hop with RFC 8950", capabilities{ipv4: true, extendedNextHop: true}, hop6, ""},
		{"explicit IPv6 next hop without", capabilities{ipv4: true}, hop6, "the peer does not take the IPv6 next hop fd00::99 for IPv4 (RFC 8950)"},
		{"told to another peer", capabilities{ipv6: true}, others, "-"},
	} {
		s := &session{peer: peer("rs1", rs1), caps: &c.caps}
		ok, why := s.sends(c.r)
		if want := c.why; ok != (want == "") || want != "-" && why != want || want == "-" && why != "" {
			t.Errorf("%s: %v %q, want %q", c.name, ok, why, c.why)
		}
	}
}

func TestExportPolicy(t *testing.T) {
	v4 := map[netip.Prefix]desired.Route{netip.MustParsePrefix(vipA): {}}
	v6 := map[netip.Prefix]desired.Route{netip.MustParsePrefix(vipB): {}}
	addr := netip.MustParseAddr(rs1)
	always := policy{
		{neighbours: []netip.Addr{addr}, mark: "^4294967295:1:7$", strip: true, verdict: accept},
		{mark: "^4294967295:1:", verdict: reject},
		{mark: "^4294967295:", strip: true, verdict: accept},
	}
	for _, c := range []struct {
		name     string
		caps     *capabilities
		own4     string
		shared   map[netip.Prefix]desired.Route
		prepends []int
		asn      uint32
		first    policy
	}{
		{name: "IPv4 is withheld until the OPEN", shared: v4, first: policy{{neighbours: []netip.Addr{addr}, verdict: reject}}},
		{name: "nothing is in doubt", shared: v6},
		{name: "with RFC 8950", shared: v4, caps: &capabilities{extendedNextHop: true}},
		{name: "without RFC 8950", shared: v4, caps: &capabilities{}, own4: host4, first: policy{
			{neighbours: []netip.Addr{addr}, family: 4, mark: "^4294967295:3:", unmarked: true, nextHop: netip.MustParseAddr(host4)},
			{neighbours: []netip.Addr{addr}, family: 4, mark: "^4294967295:3:6$", verdict: reject},
		}},
		{name: "without RFC 8950 or IPv4", shared: v4, caps: &capabilities{}, first: policy{
			{neighbours: []netip.Addr{addr}, family: 4, mark: "^4294967295:3:", unmarked: true, verdict: reject},
			{neighbours: []netip.Addr{addr}, family: 4, mark: "^4294967295:3:6$", verdict: reject},
		}},
		{name: "prepend", shared: v6, prepends: []int{3, 1}, first: policy{
			{neighbours: []netip.Addr{addr}, mark: "^4294967295:2:1$", prepend: 1, asn: 65001},
			{neighbours: []netip.Addr{addr}, mark: "^4294967295:2:3$", prepend: 3, asn: 65001},
		}},
		{name: "no prepend for iBGP", shared: v6, prepends: []int{3}, asn: 65000},
	} {
		s := &session{peer: peer("rs1", rs1), tag: 7, caps: c.caps}
		if c.own4 != "" {
			s.own4 = netip.MustParseAddr(c.own4)
		}
		if c.asn == 0 {
			c.asn = 65001
		}
		prepends := map[int]struct{}{}
		for _, n := range c.prepends {
			prepends[n] = struct{}{}
		}
		got := exportPolicy(c.asn, map[netip.Addr]*session{addr: s}, c.shared, prepends)
		if d := cmp.Diff(append(c.first, always...), got, cmp.AllowUnexported(rule{}), compareAddrs, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// Every neighbour set must have members: GoBGP takes an empty one for "any".
func TestPolicyRequestHasNoEmptySet(t *testing.T) {
	sessions := map[netip.Addr]*session{}
	for i := range 4 {
		p := peer("p", fmt.Sprintf("fd00:1::%d", i+1))
		s := &session{peer: p, tag: uint32(i)}
		if i%2 == 0 {
			s.caps = &capabilities{}
		}
		sessions[p.Addr] = s
	}
	req := exportPolicy(65001, sessions, map[netip.Prefix]desired.Route{netip.MustParsePrefix(vipA): {}}, nil).request()
	if len(req.DefinedSets) == 0 {
		t.Fatal("no sets at all")
	}
	for _, s := range req.DefinedSets {
		if len(s.List) == 0 {
			t.Errorf("set %s is empty", s.Name)
		}
	}
}

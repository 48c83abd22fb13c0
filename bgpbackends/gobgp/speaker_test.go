package gobgp

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
	"github.com/stentor-net/stentor/plugins"
)

func TestNewSpeakerRefuses(t *testing.T) {
	for _, c := range []struct {
		name        string
		peer        func(*plugins.Peer)
		route       func(*plugins.Announcement)
		want        string
		unsupported bool
	}{
		{name: "no address", peer: func(p *plugins.Peer) { p.Addr = netip.Addr{} }, want: "has no address"},
		{name: "link-local", peer: func(p *plugins.Peer) { p.Addr = netip.MustParseAddr("fe80::1%eth0") }, want: "link-local", unsupported: true},
		{name: "no ASN", peer: func(p *plugins.Peer) { p.ASN = 0 }, want: "has no AS number"},
		{name: "other family", peer: func(p *plugins.Peer) { p.LocalAddr = netip.MustParseAddr(host4) }, want: "address family"},
		{name: "no hold", peer: func(p *plugins.Peer) { p.Hold = 0 }, want: "Hold Time of 0", unsupported: true},
		{name: "short hold", peer: func(p *plugins.Peer) { p.Hold = 2 * time.Second }, want: "Hold Time of 2s"},
		{name: "split hold", peer: func(p *plugins.Peer) { p.Hold = 3500 * time.Millisecond }, want: "whole seconds"},
		{name: "keepalive", peer: func(p *plugins.Peer) { p.Keepalive = p.Hold }, want: "below the Hold Time"},
		{name: "TTL", peer: func(p *plugins.Peer) { p.TTL = 256 }, want: "TTL 256"},
		{name: "GTSM", peer: func(p *plugins.Peer) { p.TTL, p.TTLSecurity = 0, 255 }, want: "255 hops"},
		{name: "both TTLs", peer: func(p *plugins.Peer) { p.TTLSecurity = 1 }, want: "exclude each other"},
		{name: "password", peer: func(p *plugins.Peer) { p.Password = strings.Repeat("x", 81) }, want: "80 bytes"},
		{name: "BFD", peer: func(p *plugins.Peer) { p.BFD = &plugins.BFD{} }, want: "BFD intervals"},
		{name: "restart time", peer: func(p *plugins.Peer) { p.GracefulRestart = 4096 * time.Second }, want: "4095s"},
		{name: "twice", peer: func(p *plugins.Peer) { p.Addr = netip.MustParseAddr(rs2) }, want: "another peer has the address"},

		{name: "no prefix", route: func(a *plugins.Announcement) { a.Prefix = netip.Prefix{} }, want: "is no prefix"},
		{name: "link-local next hop", route: func(a *plugins.Announcement) { a.NextHop = netip.MustParseAddr("fe80::1") }, want: "link-local"},
		{name: "unspecified next hop", route: func(a *plugins.Announcement) { a.NextHop = netip.IPv4Unspecified() }, want: "next hop 0.0.0.0"},
		{name: "IPv4 next hop", route: func(a *plugins.Announcement) {
			a.Prefix, a.NextHop = netip.MustParsePrefix("2001:db8::/64"), netip.MustParseAddr(host4)
		}, want: "IPv4 next hop"},
		{name: "prepend", route: func(a *plugins.Announcement) { a.Prepend = 256 }, want: "prepend 256"},
		{name: "reserved", route: func(a *plugins.Announcement) {
			a.LargeCommunities = []plugins.LargeCommunity{{Global: 4294967295}}
		}, want: "reserved"},
		{name: "unknown peer", route: func(a *plugins.Announcement) { a.Peers = []string{"rs1", "rs9"} }, want: `no peer "rs9"`},
		{name: "announced twice", route: func(a *plugins.Announcement) { a.Prefix = netip.MustParsePrefix(vipB) }, want: "announced twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, a := peer("rs1", rs1), announcement(vipA, 1)
			if c.peer != nil {
				c.peer(&p)
			}
			if c.route != nil {
				c.route(&a)
			}
			s, refused, err := desired.New(speakerOf([]plugins.Peer{peer("rs2", rs2), p}, announcement(vipB, 1), a), checks)
			if err != nil {
				t.Fatal(err)
			}
			if refused == nil || !strings.Contains(refused.Error(), c.want) {
				t.Errorf("refused is %v, want %q", refused, c.want)
			}
			if errors.Is(refused, plugins.ErrUnsupported) != c.unsupported {
				t.Errorf("ErrUnsupported: %v", refused)
			}
			// The rest stands.
			if _, ok := s.Peers[netip.MustParseAddr(rs2)]; !ok {
				t.Error("the good peer is missing")
			}
			if _, ok := s.Routes[netip.MustParsePrefix(vipB)]; !ok {
				t.Error("the good announcement is missing")
			}
			if len(s.Peers)+len(s.Routes) != 3 {
				t.Errorf("want the bad one left out: %+v", s)
			}
		})
	}
}

func TestNewSpeakerMakesNoSense(t *testing.T) {
	for name, want := range map[string]plugins.Speaker{
		"no ASN":         {Peers: []plugins.Peer{peer("rs1", rs1)}},
		"no router ID":   {ASN: 65001},
		"IPv6 router ID": {ASN: 65001, RouterID: netip.MustParseAddr(host6)},
	} {
		if _, _, err := desired.New(want, checks); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestNewRouteIsCanonical(t *testing.T) {
	byName := map[string]netip.Addr{"a": netip.MustParseAddr(rs2), "b": netip.MustParseAddr(rs1)}
	x := netip.MustParsePrefix("2001:db8:5a:1::1/64")
	s, refused, err := desired.New(speakerOf([]plugins.Peer{peer("a", rs2), peer("b", rs1)}, plugins.Announcement{
		Prefix:           x,
		Communities:      []plugins.Community{3, 1, 3, 2},
		LargeCommunities: []plugins.LargeCommunity{{Global: 2}, {Global: 1, Local2: 5}, {Global: 1, Local1: 1}, {Global: 2}},
		Peers:            []string{"a", "b", "a"},
	}), checks)
	if err != nil || refused != nil {
		t.Fatal(err, refused)
	}
	r := s.Routes[x.Masked()]
	if r.Prefix != netip.MustParsePrefix("2001:db8:5a:1::/64") {
		t.Errorf("prefix %s", r.Prefix)
	}
	if !slices.Equal(r.Communities, []plugins.Community{1, 2, 3}) {
		t.Errorf("communities %v", r.Communities)
	}
	if !slices.Equal(r.Large, []plugins.LargeCommunity{{Global: 1, Local2: 5}, {Global: 1, Local1: 1}, {Global: 2}}) {
		t.Errorf("large communities %v", r.Large)
	}
	if !r.Restricted || !slices.Equal(r.Only, []netip.Addr{byName["b"], byName["a"]}) {
		t.Errorf("peers %v", r.Only)
	}
}

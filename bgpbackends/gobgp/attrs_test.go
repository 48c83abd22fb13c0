package gobgp

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

func ptr[T any](v T) *T { return &v }

func TestAttributes(t *testing.T) {
	if !inNetns(t, host6, rs1, rs2) {
		return
	}
	l := newLab(t)
	external := l.routeServer(rs1, nil)
	internal := l.routeServer(rs2, func(c *bgppeer.Config) { c.ASN = 65001 })
	ibgp := peer("rs2", rs2)
	ibgp.ASN = 65001
	a := plugins.Announcement{
		Prefix: netip.MustParsePrefix(vipA), NextHop: netip.MustParseAddr("fd00::99"),
		Communities:      []plugins.Community{65000<<16 | 7, 65000<<16 | 1, 65000<<16 | 7},
		LargeCommunities: []plugins.LargeCommunity{{Global: 65000, Local1: 2, Local2: 2}, {Global: 65000, Local1: 1, Local2: 3}},
		MED:              ptr(uint32(50)), LocalPref: ptr(uint32(200)), Prepend: 2,
	}
	plain := plugins.Announcement{Prefix: netip.MustParsePrefix(vipB)}
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1), ibgp}, a, plain))
	l.holds(external, vipA, vipB)
	l.holds(internal, vipA, vipB)

	common := bgppeer.Attributes{
		NextHop:          netip.MustParseAddr("fd00::99"),
		Communities:      []uint32{65000<<16 | 1, 65000<<16 | 7},
		LargeCommunities: [][3]uint32{{65000, 1, 3}, {65000, 2, 2}},
		MED:              ptr(uint32(50)),
	}
	toExternal, toInternal := common, common
	toExternal.ASPath = []uint32{65001, 65001, 65001}
	toInternal.LocalPref = ptr(uint32(200)) // and no AS_PATH: it would be a loop
	self := netip.MustParseAddr(host6)
	for _, c := range []struct {
		what   string
		peer   *bgppeer.Peer
		prefix string
		want   bgppeer.Attributes
	}{
		{"eBGP", external, vipA, toExternal},
		{"iBGP", internal, vipA, toInternal},
		{"eBGP, no attributes", external, vipB, bgppeer.Attributes{ASPath: []uint32{65001}, NextHop: self}},
		{"iBGP, no attributes", internal, vipB, bgppeer.Attributes{NextHop: self, LocalPref: ptr(uint32(100))}},
	} {
		got := c.peer.Table()[netip.MustParsePrefix(c.prefix)]
		got.Types = nil
		if diff := cmp.Diff(c.want, got, compareAddrs); diff != "" {
			t.Errorf("%s: attributes of %s differ (-want +got):\n%s", c.what, c.prefix, diff)
		}
	}
}

func TestPerPeer(t *testing.T) {
	if !inNetns(t, host6, rs1, rs2) {
		return
	}
	l := newLab(t)
	one, two := l.routeServer(rs1, nil), l.routeServer(rs2, nil)
	peers := []plugins.Peer{peer("rs1", rs1), peer("rs2", rs2)}
	only := func(names ...string) plugins.Announcement {
		a := announcement(vipA, 1)
		a.LargeCommunities = []plugins.LargeCommunity{{Global: 65000, Local1: 1, Local2: 1}}
		a.Peers = names
		return a
	}
	l.apply(speakerOf(peers, only("rs1"), announcement(vipB, 1)))
	l.holds(one, vipA, vipB)
	l.holds(two, vipB)
	l.tells("rs1", vipA, vipB)
	l.tells("rs2", vipB)

	l.apply(speakerOf(peers, only("rs2"), announcement(vipB, 1)))
	l.holds(one, vipB)
	l.holds(two, vipA, vipB)

	l.apply(speakerOf(peers, only(), announcement(vipB, 1)))
	l.holds(one, vipA, vipB)
	l.holds(two, vipA, vipB)

	l.apply(speakerOf(peers, only("rs2", "rs1"), announcement(vipB, 1)))
	l.apply(speakerOf(peers, only("rs1"), announcement(vipB, 1)))
	l.holds(two, vipB)
	l.holds(one, vipA, vipB)
	for _, p := range []*bgppeer.Peer{one, two} {
		for _, u := range updates(p) {
			if slices.Contains(u.Announced, netip.MustParsePrefix(vipA)) && (len(u.LargeCommunities) != 1 || u.LargeCommunities[0] != [3]uint32{65000, 1, 1}) {
				t.Errorf("the peer saw our marks: %v", u.LargeCommunities)
			}
		}
	}
	for _, u := range updates(one) {
		for _, w := range u.Withdrawn {
			if w == netip.MustParsePrefix(vipB) {
				t.Errorf("%s was withdrawn, nothing about it changed", w)
			}
		}
	}
}

func TestNothingListens(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1)}, announcement(vipA, 1)))
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"} {
		raw, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
			if f := strings.Fields(line); i > 0 && (f[3] == "0A" || strings.Contains(table, "udp")) { // TCP_LISTEN
				t.Errorf("%s: open socket %s", table, line)
			}
		}
	}
}

package gobgp

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

var compareAddrs = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func TestAnnounce(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	rs := l.routeServer(rs1, nil)
	vip6 := announcement("2001:db8:5a:1::1/64", 1) // the network is announced, not the host in it
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1)}, announcement("198.51.100.9/32", 1), vip6, announcement("2001:db8:5a:200::/56", 1)))
	l.holds(rs, "198.51.100.9/32", "2001:db8:5a:1::/64", "2001:db8:5a:200::/56")
	for prefix, got := range rs.Table() {
		got.Types = nil
		want := bgppeer.Attributes{ASPath: []uint32{65001}, NextHop: netip.MustParseAddr(host6), Communities: []uint32{65000<<16 | 1}}
		if diff := cmp.Diff(want, got, compareAddrs); diff != "" {
			t.Errorf("%s: attributes differ (-want +got):\n%s", prefix, diff)
		}
	}
	if n := count(rs, func(e bgppeer.Event) bool { return e.Update != nil }); n != 3 {
		t.Errorf("%d UPDATEs for 3 prefixes:\n%s", n, rs.Transcript())
	}
	l.tells("rs1", "198.51.100.9/32", "2001:db8:5a:1::/64", "2001:db8:5a:200::/56")
}

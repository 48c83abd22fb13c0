package wire

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/internal/dissect"
)

// TestMessagesAsOthersReadThem holds the encoder against Wireshark.
func TestMessagesAsOthersReadThem(t *testing.T) {
	med, pref := uint32(70), uint32(200)
	s := Session{FourOctetAS: true, Max: MaxLen}
	v4 := []netip.Prefix{netip.MustParsePrefix("198.51.100.1/32"), netip.MustParsePrefix("203.0.113.0/24")}
	v6 := []netip.Prefix{netip.MustParsePrefix("2001:db8:1::/56")}
	all := &Attributes{
		ASPath: []uint32{65001, 65001, 4200000000}, NextHop: netip.MustParseAddr("192.0.2.7"), MED: &med, LocalPref: &pref,
		Communities: []uint32{65000<<16 | 1, 0xffff0000}, LargeCommunities: [][3]uint32{{65001, 2, 3}},
	}
	over6 := &Attributes{ASPath: []uint32{65001}, NextHop: netip.MustParseAddr("2001:db8::7")}
	open := &Open{
		ASN: 4200000000, Hold: 9 * time.Second, ID: netip.MustParseAddr("192.0.2.7"), Families: []Family{IPv4, IPv6}, RouteRefresh: true,
		EnhancedRefresh: true, ExtendedNextHop: true, ExtendedMessage: true, FourOctetAS: true, Restart: &Restart{Restarting: true, Time: 5 * time.Second},
	}
	communication := append([]byte{9}, "disk swap"...)
	tests := []struct {
		name    string
		message []byte
		says    []string
	}{
		{"OPEN", AppendOpen(nil, open), []string{"My AS: 23456", "Hold Time: 9", "BGP Identifier: 192.0.2.7", "Multiprotocol extensions capability", "Route refresh capability",
			"Enhanced route refresh", "Extended Next Hop Encoding", "BGP-Extended Message", "Graceful Restart capability", "AS Number: 4200000000"}},
		{"all attributes", AppendAnnounce(nil, s, all, IPv4, v4), []string{"ORIGIN: IGP", "AS_PATH: 65001 65001 4200000000", "NEXT_HOP: 192.0.2.7", "MULTI_EXIT_DISC: 70",
			"LOCAL_PREF: 200", "65000:1", "LARGE_COMMUNITY: 65001:2:3", "198.51.100.1/32", "203.0.113.0/24"}},
		{"IPv6", AppendAnnounce(nil, s, over6, IPv6, v6), []string{"Address family identifier (AFI): IPv6", "2001:db8::7", "2001:db8:1::/56"}},
		{"IPv4 by an IPv6 next hop", AppendAnnounce(nil, s, over6, IPv4, v4), []string{"Address family identifier (AFI): IPv4", "2001:db8::7", "198.51.100.1/32"}},
		{"withdrawal", AppendWithdraw(nil, s, IPv4, v4), []string{"Withdrawn Routes", "198.51.100.1/32"}},
		{"withdrawal, IPv6", AppendWithdraw(nil, s, IPv6, v6), []string{"MP_UNREACH_NLRI", "2001:db8:1::/56"}},
		{"End-of-RIB", AppendEndOfRIB(nil, IPv4), []string{"UPDATE Message"}},
		{"End-of-RIB, IPv6", AppendEndOfRIB(nil, IPv6), []string{"MP_UNREACH_NLRI"}},
		{"shutdown", AppendNotification(nil, &Notification{Code: Cease, Subcode: AdminShutdown, Data: communication}),
			[]string{"Cease", "Administratively Shutdown", "disk swap"}},
		{"BFD down", AppendNotification(nil, &Notification{Code: Cease, Subcode: BFDDown}), []string{"Cease"}},
		{"wrong AS", AppendNotification(nil, Fault(OpenError, BadPeerAS, "")), []string{"OPEN Message Error", "Bad Peer AS"}},
		{"KEEPALIVE", AppendKeepalive(nil), []string{"KEEPALIVE Message"}},
		{"ROUTE-REFRESH", AppendRefresh(nil, IPv6, RefreshBegin), []string{"ROUTE-REFRESH Message", "IPv6"}},
	}
	var packets [][]byte
	for _, tt := range tests {
		packets = append(packets, tt.message)
	}
	for i, text := range dissect.Texts(t, dissect.ByName("bgp"), packets...) {
		for _, want := range tests[i].says {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", tests[i].name, want, text)
			}
		}
	}
}

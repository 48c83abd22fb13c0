package reconcile

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// TestSameSpeaker: each field counts, also one that is added later.
func TestSameSpeaker(t *testing.T) {
	med := func(n uint32) *uint32 { return &n }
	full := func() plugins.Speaker {
		return plugins.Speaker{ASN: 1, RouterID: netip.MustParseAddr("192.0.2.1"),
			Peers: []plugins.Peer{{Name: "p", Addr: netip.MustParseAddr("192.0.2.2"), ASN: 2, LocalAddr: netip.MustParseAddr("192.0.2.1"),
				Hold: time.Second, Keepalive: time.Second, ConnectRetry: time.Second, TTL: 1, TTLSecurity: 1, Password: "x", AO: plugins.TCPAO{Key: "x", SendID: 1, RecvID: 1, Algorithm: plugins.AOAESCMAC},
				BFD: &plugins.BFD{TX: 1, RX: 1, Multiplier: 1, Password: "k", KeyID: 1, Meticulous: true}, GracefulRestart: time.Second}},
			Announcements: []plugins.Announcement{{VIP: "v", Prefix: netip.MustParsePrefix("203.0.113.1/32"), NextHop: netip.MustParseAddr("192.0.2.1"),
				Communities: []plugins.Community{1}, LargeCommunities: []plugins.LargeCommunity{{Global: 1}},
				MED: med(1), LocalPref: med(1), Prepend: 1, Peers: []string{"p"}}},
		}
	}
	if !sameSpeaker(full(), full()) {
		t.Error("equal speakers differ")
	}
	clear := func(what string, v func(*plugins.Speaker) reflect.Value) {
		sample := full()
		for i := range v(&sample).NumField() {
			changed := full()
			f := v(&changed).Field(i)
			if f.IsZero() {
				t.Errorf("%s: the sample lacks %s", what, v(&changed).Type().Field(i).Name)
			}
			f.SetZero()
			if sameSpeaker(full(), changed) || sameSpeaker(changed, full()) {
				t.Errorf("%s does not count", fmt.Sprint(what, ".", v(&changed).Type().Field(i).Name))
			}
		}
	}
	clear("Speaker", func(s *plugins.Speaker) reflect.Value { return reflect.ValueOf(s).Elem() })
	clear("Peer", func(s *plugins.Speaker) reflect.Value { return reflect.ValueOf(&s.Peers[0]).Elem() })
	clear("Announcement", func(s *plugins.Speaker) reflect.Value { return reflect.ValueOf(&s.Announcements[0]).Elem() })
	clear("TCPAO", func(s *plugins.Speaker) reflect.Value { return reflect.ValueOf(&s.Peers[0].AO).Elem() })
	clear("BFD", func(s *plugins.Speaker) reflect.Value { return reflect.ValueOf(s.Peers[0].BFD).Elem() })
	changed := full()
	changed.Announcements[0].MED = med(2)
	if sameSpeaker(full(), changed) {
		t.Error("another MED does not count")
	}
}

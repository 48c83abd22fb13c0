package native

import (
	"net/netip"
	"testing"

	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
	"github.com/stentor-net/stentor/plugins"
)

// BenchmarkDesired is what 10,000 announcements to 4 peers cost before they are
// written.
func BenchmarkDesired(b *testing.B) {
	want := plugins.Speaker{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.7")}
	for i := range 4 {
		want.Peers = append(want.Peers, plugins.Peer{Name: string(rune('a' + i)), Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 10)}), ASN: 65000, Hold: 9e9})
	}
	for i := range 10000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 32)
		want.Announcements = append(want.Announcements, plugins.Announcement{VIP: p.String(), Prefix: p, Communities: []plugins.Community{65000<<16 | 1}})
	}
	var target desired.Speaker
	b.Run("New", func(b *testing.B) {
		for b.Loop() {
			var err error
			if target, _, err = desired.New(want, checks); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("offers", func(b *testing.B) {
		for b.Loop() {
			all := offers(target)
			for addr := range target.Peers {
				offersTo(all, addr)
			}
		}
	})
}

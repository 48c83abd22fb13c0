package wire

import (
	"net/netip"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// TestRestartBits reads the capability with another implementation: a speaker
// that has just started says so, and that the routes held meanwhile still lead
// somewhere; never that they outlive a NOTIFICATION or the Hold Time (RFC 8538).
func TestRestartBits(t *testing.T) {
	for _, restarting := range []bool{false, true} {
		o := &Open{ASN: 65001, Hold: 9 * time.Second, ID: netip.MustParseAddr("192.0.2.7"), Families: []Family{IPv4, IPv6}, Restart: &Restart{Restarting: restarting, Time: 10 * time.Second}}
		m, err := bgp.ParseBGPMessage(AppendOpen(nil, o))
		if err != nil {
			t.Fatal(err)
		}
		var found *bgp.CapGracefulRestart
		for _, p := range m.Body.(*bgp.BGPOpen).OptParams {
			for _, c := range p.(*bgp.OptionParameterCapability).Capability {
				if gr, ok := c.(*bgp.CapGracefulRestart); ok {
					found = gr
				}
			}
		}
		const r, f = 0x08, 0x80
		flags, family := uint8(0), uint8(0)
		if restarting {
			flags, family = r, f
		}
		if found == nil || found.Time != 10 || found.Flags != flags || len(found.Tuples) != 2 {
			t.Fatalf("restarting %t: %+v", restarting, found)
		}
		for _, tuple := range found.Tuples {
			if tuple.Flags != family {
				t.Errorf("restarting %t: %+v", restarting, tuple)
			}
		}
	}
}

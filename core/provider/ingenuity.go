package provider

import (
	"net/netip"
	"time"
)

// ingenuity is Ingenuity Cloud Services' metal: the same addresses and ASNs in
// every site; the host must dial.
//
// Source: docs.ingenuitycloudservices.com/metal/advanced/bgp. It asks for
// multihop and names no TTL, so it is as far as a packet goes.
func ingenuity() Provider {
	return Provider{
		Name:    "ingenuity",
		ASN:     65100,
		PeerASN: 65000,
		Peers: []Peer{
			{Name: "gw1-v4", Addr: netip.MustParseAddr("100.64.64.64")},
			{Name: "gw2-v4", Addr: netip.MustParseAddr("100.64.64.65")},
			{Name: "gw1-v6", Addr: netip.MustParseAddr("fc00::1")},
			{Name: "gw2-v6", Addr: netip.MustParseAddr("fc00::2")},
		},
		PerFamily:    true,
		Hold:         9 * time.Second,
		Keepalive:    3 * time.Second,
		ConnectRetry: connectRetry,
		TTL:          255,
	}
}

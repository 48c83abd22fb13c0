package provider

import (
	"net/netip"
	"time"
)

// phoenixnap is phoenixNAP's Bare Metal Cloud: two gateways in link-local
// space, seven hops at most, and no peering from a loopback address.
//
// Source: phoenixnap.com/kb/border-gateway-protocol-bmc, also for the timers.
func phoenixnap() Provider {
	return Provider{
		Name:    "phoenixnap",
		ASN:     65401,
		PeerASN: 65400,
		Peers: []Peer{
			{Name: "gw1", Addr: netip.MustParseAddr("169.254.247.0")},
			{Name: "gw2", Addr: netip.MustParseAddr("169.254.247.1")},
		},
		Hold:         30 * time.Second,
		Keepalive:    10 * time.Second,
		ConnectRetry: connectRetry,
		TTL:          7,
	}
}

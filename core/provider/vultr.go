package provider

import (
	"net/netip"
	"time"
)

// Source of both: docs.vultr.com, "High availability on Vultr with floating IP
// and BGP". The reserved IP must not be attached to an instance in the panel;
// all announcers are used at once (ECMP) unless one path is worse.
const (
	vultrASN      = "the ASN that Vultr gave you stands in its panel under Network, BGP"
	vultrPassword = "Vultr's panel shows the BGP password under Network, BGP; store it in a file of mode 0600"
)

// vultr is a Vultr virtual machine: one peer per family, the IPv6 one only
// where the instance has IPv6.
func vultr() Provider {
	return Provider{
		Name:    "vultr",
		PeerASN: 64515,
		Peers: []Peer{
			{Name: "vultr4", Addr: netip.MustParseAddr("169.254.169.254")},
			{Name: "vultr6", Addr: netip.MustParseAddr("2001:19f0:ffff::1")},
		},
		PerFamily:     true,
		Hold:          9 * time.Second,
		Keepalive:     3 * time.Second,
		ConnectRetry:  connectRetry,
		TTL:           2,
		NeedsPassword: true,
		ASNHint:       vultrASN,
		PasswordHint:  vultrPassword,
	}
}

// vultrBareMetal is a Vultr bare-metal server: another peer of another AS.
func vultrBareMetal() Provider {
	p := vultr()
	p.Name = "vultr-baremetal"
	p.PeerASN = 20473
	p.Peers = []Peer{{Name: "vultr4", Addr: netip.MustParseAddr("169.254.1.1")}}
	return p
}

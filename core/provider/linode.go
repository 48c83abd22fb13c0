package provider

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// linode is IP Sharing at Linode (Akamai): four route servers in each data
// centre, reached over IPv6, which carry both families (RFC 8950).
//
// Sources: github.com/linode/lelastic main.go and client.go for ASNs, addresses,
// communities, hold and keepalive time, and TTL (16 since v0.2.0; 10 was too few somewhere);
// Linode's guide "Configuring failover on a Compute Instance" for the lengths.
func linode() Provider {
	return Provider{
		Name:         "linode",
		ASN:          65001,
		PeerASN:      65000,
		PeersAt:      linodePeers,
		Regions:      linodeRegions(),
		Hold:         9 * time.Second,
		Keepalive:    3 * time.Second,
		ConnectRetry: connectRetry,
		TTL:          16,
		Primary:      []plugins.Community{65000<<16 | 1},
		Secondary:    []plugins.Community{65000<<16 | 2},
		Lengths4:     []int{32},
		Lengths6:     []int{56, 64},
	}
}

// linodePeers are 2600:3c0f:DCID:34::1 to ::4. The decimal digits of the id
// stand in the hexadecimal group as they are: data centre 22 is :22:, not :16:.
func linodePeers(dcid int) []Peer {
	var peers []Peer
	for i := 1; i <= 4; i++ {
		addr, err := netip.ParseAddr(fmt.Sprintf("2600:3c0f:%d:34::%d", dcid, i))
		if err != nil {
			return nil // more than four digits; the config checks the range
		}
		peers = append(peers, Peer{Name: fmt.Sprintf("rs%d", i), Addr: addr})
	}
	return peers
}

// linodeRegions is the table of data centres. Linode's API does not tell the
// ids; they are from its failover guide and, with all slugs, from
// github.com/linode/linode-cloud-controller-manager (regionIDMap).
func linodeRegions() []Region {
	return []Region{
		{Slug: "us-central", DCID: 2, Name: "Dallas, TX (USA)"},
		{Slug: "us-west", DCID: 3, Name: "Fremont, CA (USA)", NoIPSharing: true},
		{Slug: "us-southeast", DCID: 4, Name: "Atlanta, GA (USA)"},
		{Slug: "us-east", DCID: 6, Name: "Newark, NJ (USA)"},
		{Slug: "eu-west", DCID: 7, Name: "London (United Kingdom)"},
		{Slug: "ap-south", DCID: 9, Name: "Singapore"},
		{Slug: "eu-central", DCID: 10, Name: "Frankfurt (Germany)"},
		{Slug: "ap-northeast", DCID: 11, Name: "Tokyo (Japan)"},
		{Slug: "ap-west", DCID: 14, Name: "Mumbai (India)"},
		{Slug: "ca-central", DCID: 15, Name: "Toronto (Canada)"},
		{Slug: "ap-southeast", DCID: 16, Name: "Sydney (Australia)"},
		{Slug: "us-iad", DCID: 17, Name: "Washington, DC (USA)"},
		{Slug: "us-ord", DCID: 18, Name: "Chicago, IL (USA)"},
		{Slug: "fr-par", DCID: 19, Name: "Paris (France)"},
		{Slug: "us-sea", DCID: 20, Name: "Seattle, WA (USA)"},
		{Slug: "br-gru", DCID: 21, Name: "São Paulo (Brazil)"},
		{Slug: "nl-ams", DCID: 22, Name: "Amsterdam (Netherlands)"},
		{Slug: "se-sto", DCID: 23, Name: "Stockholm (Sweden)"},
		{Slug: "es-mad", DCID: 24, Name: "Madrid (Spain)"},
		{Slug: "in-maa", DCID: 25, Name: "Chennai (India)"},
		{Slug: "jp-osa", DCID: 26, Name: "Osaka (Japan)"},
		{Slug: "it-mil", DCID: 27, Name: "Milan (Italy)"},
		{Slug: "us-mia", DCID: 28, Name: "Miami, FL (USA)"},
		{Slug: "id-cgk", DCID: 29, Name: "Jakarta (Indonesia)"},
		{Slug: "us-lax", DCID: 30, Name: "Los Angeles, CA (USA)"},
		{Slug: "gb-lon", DCID: 44, Name: "London 2 (United Kingdom)"},
		{Slug: "au-mel", DCID: 45, Name: "Melbourne (Australia)"},
		{Slug: "in-bom-2", DCID: 46, Name: "Mumbai 2 (India)"},
		{Slug: "sg-sin-2", DCID: 48, Name: "Singapore 2"},
	}
}

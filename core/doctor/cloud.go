package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/stentor-net/stentor/core/provider"
	"github.com/stentor-net/stentor/plugins"
)

// cloud compares the config with what the cloud says of the host.
func (x *exam) cloud() {
	bgp, said := x.Config.BGP, x.Cloud
	known, _ := provider.Lookup(bgp.Provider)
	switch bgp.Provider {
	case "linode", "vultr": // virtual machines, whose firmware names the cloud
	default:
		return
	}
	if said.Vendor != "" && said.Provider != bgp.Provider {
		x.add(CodeProvider, Warning, "bgp", fmt.Sprintf("provider is %q, and this machine is of another make: the firmware's vendor is %q", bgp.Provider, said.Vendor),
			"write the provider of this machine, or its peers one by one: [bgp.peer.NAME]")
		return
	}
	if said.ASN != 0 && said.ASN != bgp.ASN {
		x.add(CodeASN, Problem, "bgp", fmt.Sprintf("asn is %d, and the metadata service says that yours is %d", bgp.ASN, said.ASN), fmt.Sprintf("write asn = %d in [bgp]", said.ASN))
	}
	if region, ok := known.Region(said.Region); ok && known.PeersAt != nil {
		of := known.PeersAt(region.DCID)
		same := func(p plugins.Peer) bool {
			return slices.ContainsFunc(of, func(o provider.Peer) bool { return o.Addr == p.Addr })
		}
		if len(bgp.Peers) > 0 && !slices.ContainsFunc(bgp.Peers, same) {
			x.add(CodeRegion, Problem, "bgp", fmt.Sprintf("the peers are those of another data centre: the metadata service says that this host is in %s (%s, dcid %d)", region.Slug, region.Name, region.DCID),
				fmt.Sprintf("write region = %q in [bgp], and no dcid", region.Slug))
		}
	}
	x.sharing()
}

// sharing: an address that the cloud has not given to this host is routed
// nowhere, whatever is announced.
func (x *exam) sharing() {
	given := x.Cloud.Given
	if len(given) == 0 {
		return // nobody was asked, or nothing was said
	}
	for _, v := range x.Config.VIPs {
		if !slices.ContainsFunc(given, func(p netip.Prefix) bool { return p.Overlaps(v.Prefix) }) {
			x.add(CodeNotShared, Warning, "vip "+v.Name, fmt.Sprintf("the metadata service does not name %s: it is neither this host's nor shared with it, so the announcement is refused", v.Prefix),
				"share it with this host in the cloud's panel (IP Sharing) or API, in the same data centre")
		}
	}
}

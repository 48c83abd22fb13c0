// Package provider holds what is known in advance about the BGP service of
// each hosting provider: data without I/O.
package provider

import (
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// connectRetry is the ConnectRetryTime (RFC 4271 §8.2.2) everywhere: it is
// local to the host that dials, and decides how soon a route server that was
// restarted hears our routes again.
const connectRetry = 2 * time.Second

// Provider is what provider = "NAME" stands for. Every value of it is a
// default that the config can override.
type Provider struct {
	Name    string
	ASN     uint32 // our own; 0 means that the config must say it
	PeerASN uint32 // of every peer; 0 means that each peer must say its own
	Peers   []Peer // the same for all of the provider's customers
	// PeersAt gives the peers of one data centre; nil if they don't depend on it.
	PeersAt func(dcid int) []Peer
	Regions []Region // data centres by slug, for PeersAt
	// PerFamily: a session carries the address family that it runs over, so one
	// whose family no VIP has is left out.
	PerFamily bool

	Hold         time.Duration
	Keepalive    time.Duration
	ConnectRetry time.Duration
	TTL          int // of sent packets; 0 means 1, a directly connected peer

	// Primary and Secondary are the communities by which the provider's own
	// routers tell the roles apart; empty if it defines none.
	Primary, Secondary []plugins.Community

	// Lengths4 and Lengths6 are the prefix lengths that the provider accepts;
	// empty means that it is not known to refuse any.
	Lengths4, Lengths6 []int

	NeedsPassword bool   // its sessions don't come up without a TCP-MD5 key
	ASNHint       string // where the admin finds our own ASN, if ASN is 0
	PasswordHint  string // where the admin finds the key
}

// Peer is one neighbour at a provider.
type Peer struct {
	Name string
	Addr netip.Addr
}

// Region is one data centre.
type Region struct {
	Slug string // as the provider's API names it
	DCID int
	Name string
	// NoIPSharing: the provider says that addresses can't be shared there.
	NoIPSharing bool
}

// Attrs are the path attributes by which a role is told at a provider.
type Attrs struct {
	Communities []plugins.Community
	MED         *uint32
	LocalPref   *uint32
	Prepend     int
}

// All lists the providers by name.
func All() []Provider {
	return []Provider{generic(), ingenuity(), linode(), phoenixnap(), vultr(), vultrBareMetal()}
}

// Names lists the names of the providers in byte order.
func Names() []string {
	var names []string
	for _, p := range All() {
		names = append(names, p.Name)
	}
	return names
}

// Lookup finds a provider by name.
func Lookup(name string) (Provider, bool) {
	for _, p := range All() {
		if p.Name == name {
			return p, true
		}
	}
	return Provider{}, false
}

// Lengths are the prefix lengths that the provider accepts for a's family;
// empty means any.
func (p Provider) Lengths(a netip.Addr) []int {
	if a.Is4() {
		return p.Lengths4
	}
	return p.Lengths6
}

// Region finds a data centre by slug.
func (p Provider) Region(slug string) (Region, bool) {
	i := slices.IndexFunc(p.Regions, func(r Region) bool { return r.Slug == slug })
	if i < 0 {
		return Region{}, false
	}
	return p.Regions[i], true
}

// RegionAt finds a data centre by id.
func (p Provider) RegionAt(dcid int) (Region, bool) {
	i := slices.IndexFunc(p.Regions, func(r Region) bool { return r.DCID == dcid })
	if i < 0 {
		return Region{}, false
	}
	return p.Regions[i], true
}

// Roles gives the attributes of both roles for a VIP whose peers include iBGP
// ones, eBGP ones, or both.
//
// Where the provider defines no communities, the roles are told by what every
// BGP speaker compares (RFC 4271 §9.1.2.2):
//
//   - eBGP: the secondary prepends its ASN twice. AS_PATH length needs no
//     agreement with the peer, and twice outweighs one hop of difference.
//   - iBGP: LOCAL_PREF 100 against 50. Prepending is out of the question there:
//     the peer would find its own ASN in AS_PATH and drop the route as a loop.
//   - both: LOCAL_PREF for the iBGP peers and MED 0 against 100 for the others,
//     which is as good as AS_PATH here, because both hosts' routes come from the
//     same neighbouring AS. MED 0 is sent, not left out: some routers rank a
//     missing MED last.
func (p Provider) Roles(ibgp, ebgp bool) (primary, secondary Attrs) {
	switch {
	case len(p.Primary) > 0 || len(p.Secondary) > 0:
		return Attrs{Communities: p.Primary}, Attrs{Communities: p.Secondary}
	case ibgp && ebgp:
		return Attrs{LocalPref: u32(100), MED: u32(0)}, Attrs{LocalPref: u32(50), MED: u32(100)}
	case ibgp:
		return Attrs{LocalPref: u32(100)}, Attrs{LocalPref: u32(50)}
	}
	return Attrs{}, Attrs{Prepend: 2}
}

func u32(v uint32) *uint32 { return &v }

package frr

import (
	"net/netip"
	"slices"
)

// What marks things as ours. An operator's own thing must not begin so.
const (
	prefix     = "stentor-"
	denyMap    = prefix + "deny" // takes nothing in, lets nothing out
	setPrefix  = prefix + "set-" // + hash: the attributes of an announcement
	outPrefix  = prefix + "out-" // + peer: what it is told
	peerPrefix = prefix + "as"   // + ASN: the peer-group of its peers
	madeGroup  = prefix + "made" // stands in a `router bgp` that we have made
	bfdPrefix  = prefix + "bfd-" // + timers: a BFD profile
	staticTag  = 1937010286      // "stn.": of our blackhole routes
)

// piece is what we have in FRR's configuration: the difference between two of
// them is what an Apply does.
type piece struct {
	asn      uint32 // 0: no `router bgp`, or nothing of ours in it
	made     bool   // we have made the `router bgp`
	routerID string // of one that we have made

	profiles map[string][]string // BFD profiles, their lines
	maps     map[string][]entry  // route-maps of bgpd
	strays   map[string]bool     // route-maps that another daemon has too, from frr.conf
	groups   map[string][]statement
	peers    map[netip.Addr][]statement
	networks map[netip.Prefix]string // and their route-map
	statics  map[netip.Prefix]bool   // blackhole routes
	globals  map[string]string       // lines for all of FRR, set on request, and what puts them back
}

// entry is one of a route-map.
type entry struct {
	action string // permit or deny
	seq    int
	lines  []string // sorted
}

func newPiece() piece {
	return piece{
		profiles: map[string][]string{},
		maps:     map[string][]entry{},
		strays:   map[string]bool{},
		groups:   map[string][]statement{},
		peers:    map[netip.Addr][]statement{},
		networks: map[netip.Prefix]string{},
		statics:  map[netip.Prefix]bool{},
		globals:  map[string]string{},
	}
}

func (e entry) equal(o entry) bool {
	return e.action == o.action && e.seq == o.seq && slices.Equal(e.lines, o.lines)
}

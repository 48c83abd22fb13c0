package gobgp

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
)

// GoBGP applies per-neighbour policies to route server clients only, so what
// differs from peer to peer stands in the one global export policy. Its rules
// look at marks that routes carry, and not at prefixes: when a changed route
// is refused for a peer, GoBGP evaluates the old route by the same rules to
// find out whether the peer must be sent a withdrawal.
//
// A mark is a large community whose global administrator is reserved (AS
// 4294967295, RFC 7300). The last rule takes the marks off.
const (
	markGlobal  = 0xffffffff
	markPeer    = 1 // value: the tag of a peer that is told a restricted route
	markPrepend = 2 // value: how often the own ASN is prepended
	markNextHop = 3 // value: 4 or 6, the family of an explicit next hop
)

// maxPrepend is what GoBGP's prepend action takes at once.
const maxPrepend = 255

// rule is one statement of a policy. All set conditions must hold.
type rule struct {
	neighbours []netip.Addr // none: any
	family     int          // 4 or 6; 0: any
	mark       string       // regular expression over large communities; "": any
	unmarked   bool         // turns mark round

	nextHop netip.Addr // set this next hop
	prepend int        // prepend asn that often
	asn     uint32
	strip   bool // take off the marks
	verdict verdict
}

// verdict ends the evaluation, or lets it go on.
type verdict int

const (
	goOn verdict = iota
	accept
	reject
)

func (r rule) equal(o rule) bool {
	return slices.Equal(r.neighbours, o.neighbours) && r.family == o.family && r.mark == o.mark && r.unmarked == o.unmarked &&
		r.nextHop == o.nextHop && r.prepend == o.prepend && r.asn == o.asn && r.strip == o.strip && r.verdict == o.verdict
}

// policy is the export policy: what no rule decides is accepted.
type policy []rule

func (p policy) equal(o policy) bool { return slices.EqualFunc(p, o, rule.equal) }

func mark(kind, value uint32) string {
	return fmt.Sprintf("^%d:%d:%d$", uint32(markGlobal), kind, value)
}

func anyMark(kind uint32) string { return fmt.Sprintf("^%d:%d:", uint32(markGlobal), kind) }

var everyMark = fmt.Sprintf("^%d:", uint32(markGlobal))

// exportPolicy makes the rules for the given sessions. shared are the prefixes
// that are announced, prepends the values of Prepend in use.
func exportPolicy(asn uint32, sessions map[netip.Addr]*session, shared map[netip.Prefix]desired.Route, prepends map[int]struct{}) policy {
	order := slices.SortedFunc(maps.Keys(sessions), netip.Addr.Compare)
	var p policy
	var withheld, external, noExplicit6 []netip.Addr
	for _, addr := range order {
		if s := sessions[addr]; s.caps == nil && s.crossFamily(shared) {
			withheld = append(withheld, addr)
		}
	}
	if len(withheld) > 0 {
		// All routes, not just those in doubt: what admit sends later is the
		// whole table, and no peer is to get a route twice.
		p = append(p, rule{neighbours: withheld, verdict: reject})
	}
	for _, family := range []int{4, 6} {
		var refused []netip.Addr
		rewritten := map[netip.Addr][]netip.Addr{}
		for _, addr := range order {
			s := sessions[addr]
			if s.caps == nil {
				continue
			}
			switch hop := s.ownHop(family); {
			case hop.why != "":
				refused = append(refused, addr)
			case hop.addr.IsValid():
				rewritten[hop.addr] = append(rewritten[hop.addr], addr)
			}
		}
		if len(refused) > 0 {
			p = append(p, rule{neighbours: refused, family: family, mark: anyMark(markNextHop), unmarked: true, verdict: reject})
		}
		for _, hop := range slices.SortedFunc(maps.Keys(rewritten), netip.Addr.Compare) {
			p = append(p, rule{neighbours: rewritten[hop], family: family, mark: anyMark(markNextHop), unmarked: true, nextHop: hop})
		}
	}
	for _, addr := range order {
		s := sessions[addr]
		if s.peer.ASN != asn {
			external = append(external, addr)
		}
		if s.caps != nil && !s.caps.extendedNextHop {
			noExplicit6 = append(noExplicit6, addr)
		}
	}
	if len(noExplicit6) > 0 {
		p = append(p, rule{neighbours: noExplicit6, family: 4, mark: mark(markNextHop, 6), verdict: reject})
	}
	// An iBGP peer takes a path with its own AS number for a loop (RFC 4271 §9.1.2).
	if len(external) > 0 {
		for _, n := range slices.SortedFunc(maps.Keys(prepends), cmp.Compare) {
			p = append(p, rule{neighbours: external, mark: mark(markPrepend, uint32(n)), prepend: n, asn: asn})
		}
	}
	for _, addr := range order {
		p = append(p, rule{neighbours: []netip.Addr{addr}, mark: mark(markPeer, sessions[addr].tag), strip: true, verdict: accept})
	}
	return append(p,
		rule{mark: anyMark(markPeer), verdict: reject},
		rule{mark: everyMark, strip: true, verdict: accept})
}

package gobgp

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// The verbs of a plugins.Step.
const (
	verbAdd     = "add"
	verbChange  = "change"
	verbRemove  = "remove"
	verbRestart = "restart"
)

// changes is what leads from one speaker to another, in the order in which it
// is done: withdrawals come first, nothing may delay them.
type changes struct {
	speaker   string // verbAdd, verbRestart, verbRemove, or "" for no change
	from, to  speaker
	withdrawn []route
	peersGone []plugins.Peer
	peersNew  []peerChange
	announced []routeChange
}

type peerChange struct {
	old, new plugins.Peer // the zero old is a new peer
}

type routeChange struct {
	old, new route // the zero old is a new announcement
}

// diff compares what GoBGP was told with what it shall hold.
func diff(have, want speaker) changes {
	c := changes{from: have, to: want}
	switch {
	case have.asn == 0 && want.asn != 0:
		c.speaker = verbAdd
	case have.asn != 0 && want.asn == 0:
		c.speaker = verbRemove
	case have.asn != want.asn || have.routerID != want.routerID:
		c.speaker = verbRestart
	}
	for _, x := range sortedPrefixes(have.routes) {
		if _, keep := want.routes[x]; !keep {
			c.withdrawn = append(c.withdrawn, have.routes[x])
		}
	}
	for _, p := range have.sortedPeers() {
		if _, keep := want.peers[p.Addr]; !keep {
			c.peersGone = append(c.peersGone, p)
		}
	}
	for _, p := range want.sortedPeers() {
		if old := have.peers[p.Addr]; old != p {
			c.peersNew = append(c.peersNew, peerChange{old, p})
		}
	}
	for _, x := range sortedPrefixes(want.routes) {
		if old := have.routes[x]; !old.equal(want.routes[x]) {
			c.announced = append(c.announced, routeChange{old, want.routes[x]})
		}
	}
	return c
}

// steps tells the changes to people.
func (c changes) steps() []plugins.Step {
	var steps []plugins.Step
	add := func(verb, object, diff string) {
		steps = append(steps, plugins.Step{Verb: verb, Object: object, Diff: diff})
	}
	switch c.speaker {
	case verbAdd:
		add(verbAdd, "BGP speaker", fmt.Sprintf("AS %d, router ID %s", c.to.asn, c.to.routerID))
	case verbRestart:
		add(verbRestart, "BGP speaker", fmt.Sprintf("AS %d -> %d, router ID %s -> %s; every session starts anew",
			c.from.asn, c.to.asn, c.from.routerID, c.to.routerID))
	}
	for _, r := range c.withdrawn {
		add(verbRemove, "announcement "+r.prefix.String(), "")
	}
	for _, p := range c.peersGone {
		add(verbRemove, "peer "+p.Name, p.Addr.String())
	}
	for _, p := range c.peersNew {
		if p.old == (plugins.Peer{}) {
			add(verbAdd, "peer "+p.new.Name, fmt.Sprintf("%s, AS %d", p.new.Addr, p.new.ASN))
			continue
		}
		add(verbChange, "peer "+p.new.Name, peerDiff(p))
	}
	for _, r := range c.announced {
		verb, text := verbChange, routeDiff(r)
		if !r.old.prefix.IsValid() {
			verb = verbAdd
		}
		add(verb, "announcement "+r.new.prefix.String(), text)
	}
	if c.speaker == verbRemove {
		add(verbRemove, "BGP speaker", fmt.Sprintf("AS %d", c.from.asn))
	}
	return steps
}

// keepsSession tells whether the change can be made without a new session.
func (p peerChange) keepsSession() bool {
	return p.sameInGoBGP() || p.onlyRetry()
}

// sameInGoBGP: only what GoBGP does not know has changed.
func (p peerChange) sameInGoBGP() bool {
	old := p.old
	old.Name = p.new.Name
	return old == p.new
}

// onlyRetry: only the name and ConnectRetry have changed, and ConnectRetry
// matters between sessions alone.
func (p peerChange) onlyRetry() bool {
	old := p.old
	old.Name, old.ConnectRetry = p.new.Name, p.new.ConnectRetry
	return old == p.new
}

func peerDiff(p peerChange) string {
	var l []string
	field(&l, "name", p.old.Name, p.new.Name)
	field(&l, "AS", p.old.ASN, p.new.ASN)
	field(&l, "local address", p.old.LocalAddr, p.new.LocalAddr)
	field(&l, "hold", p.old.Hold, p.new.Hold)
	field(&l, "keepalive", p.old.Keepalive, p.new.Keepalive)
	field(&l, "connect retry", p.old.ConnectRetry, p.new.ConnectRetry)
	field(&l, "TTL", p.old.TTL, p.new.TTL)
	field(&l, "TTL security", p.old.TTLSecurity, p.new.TTLSecurity)
	field(&l, "graceful restart", p.old.GracefulRestart, p.new.GracefulRestart)
	if p.old.Password != p.new.Password {
		l = append(l, "password changed")
	}
	if !p.keepsSession() {
		l = append(l, "the session starts anew")
	}
	return strings.Join(l, "; ")
}

func routeDiff(r routeChange) string {
	var l []string
	field(&l, "next hop", addrWord(r.old.nextHop), addrWord(r.new.nextHop))
	field(&l, "communities", list(r.old.communities), list(r.new.communities))
	field(&l, "large communities", list(r.old.large), list(r.new.large))
	field(&l, "MED", optional(r.old.med), optional(r.new.med))
	field(&l, "local preference", optional(r.old.localPref), optional(r.new.localPref))
	field(&l, "prepend", r.old.prepend, r.new.prepend)
	field(&l, "peers", peersWord(r.old), peersWord(r.new))
	return strings.Join(l, "; ")
}

// field appends "name old -> new" if the two differ.
func field[T comparable](l *[]string, name string, old, new T) {
	if old != new {
		*l = append(*l, fmt.Sprintf("%s %v -> %v", name, old, new))
	}
}

func list[T fmt.Stringer](items []T) string {
	if len(items) == 0 {
		return "none"
	}
	words := make([]string, len(items))
	for i, x := range items {
		words[i] = x.String()
	}
	return strings.Join(words, " ")
}

func optional(v *uint32) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprint(*v)
}

func addrWord(a netip.Addr) string {
	if !a.IsValid() {
		return "the session's own"
	}
	return a.String()
}

func peersWord(r route) string {
	if !r.restricted {
		return "all"
	}
	return list(r.only)
}

func sortedPrefixes(m map[netip.Prefix]route) []netip.Prefix {
	return slices.SortedFunc(maps.Keys(m), netip.Prefix.Compare)
}

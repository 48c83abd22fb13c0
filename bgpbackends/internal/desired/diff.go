package desired

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// Verb is what happens to the speaker as a whole; "" is nothing.
type Verb string

// The verbs of a plugins.Step.
const (
	Add     Verb = "add"
	Modify  Verb = "change"
	Remove  Verb = "remove"
	Restart Verb = "restart"
)

// Changes is what leads from one speaker to another, in the order in which it
// is done: withdrawals come first, nothing may delay them.
type Changes struct {
	Speaker   Verb // Add, Restart or Remove
	From, To  Speaker
	Withdrawn []Route
	PeersGone []plugins.Peer
	PeersNew  []PeerChange
	Announced []RouteChange
}

// PeerChange is a peer that is new, or not as it was.
type PeerChange struct {
	Old, New plugins.Peer // the zero Old is a new peer
	// KeepsSession: it can be made without a new session. Diff leaves it to
	// the speaker.
	KeepsSession bool
}

// IsNew tells whether there was no such peer.
func (p PeerChange) IsNew() bool { return p.Old == (plugins.Peer{}) }

// RouteChange is an announcement that is new, or not as it was.
type RouteChange struct {
	Old, New Route // the zero Old is a new announcement
}

// SamePeer reports whether both say the same.
func SamePeer(a, b plugins.Peer) bool {
	return SameBFD(a.BFD, b.BFD) && SameSession(a, b)
}

// SameBFD reports whether both are off, or have the same timers.
func SameBFD(a, b *plugins.BFD) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// SameSession reports whether both say the same but for BFD, which a session
// need not know of.
func SameSession(a, b plugins.Peer) bool {
	a.BFD, b.BFD = nil, nil
	return a == b
}

// Diff compares what a speaker holds with what it shall hold.
func Diff(have, want Speaker) Changes {
	c := Changes{From: have, To: want}
	switch {
	case have.ASN == 0 && want.ASN != 0:
		c.Speaker = Add
	case have.ASN != 0 && want.ASN == 0:
		c.Speaker = Remove
	case have.ASN != want.ASN || have.RouterID != want.RouterID:
		c.Speaker = Restart
	}
	for _, x := range have.SortedPrefixes() {
		if _, keep := want.Routes[x]; !keep {
			c.Withdrawn = append(c.Withdrawn, have.Routes[x])
		}
	}
	for _, p := range have.SortedPeers() {
		if _, keep := want.Peers[p.Addr]; !keep {
			c.PeersGone = append(c.PeersGone, p)
		}
	}
	for _, p := range want.SortedPeers() {
		if old := have.Peers[p.Addr]; !SamePeer(old, p) {
			c.PeersNew = append(c.PeersNew, PeerChange{Old: old, New: p})
		}
	}
	for _, x := range want.SortedPrefixes() {
		if old := have.Routes[x]; !old.Equal(want.Routes[x]) {
			c.Announced = append(c.Announced, RouteChange{old, want.Routes[x]})
		}
	}
	return c
}

// Steps tells the changes to people.
func (c Changes) Steps() []plugins.Step {
	var steps []plugins.Step
	add := func(verb Verb, object, diff string) {
		steps = append(steps, plugins.Step{Verb: string(verb), Object: object, Diff: diff})
	}
	switch c.Speaker {
	case Add:
		add(Add, "BGP speaker", fmt.Sprintf("AS %d, router ID %s", c.To.ASN, c.To.RouterID))
	case Restart:
		add(Restart, "BGP speaker", fmt.Sprintf("AS %d -> %d, router ID %s -> %s; every session starts anew",
			c.From.ASN, c.To.ASN, c.From.RouterID, c.To.RouterID))
	}
	for _, r := range c.Withdrawn {
		add(Remove, "announcement "+r.Prefix.String(), "")
	}
	for _, p := range c.PeersGone {
		add(Remove, "peer "+p.Name, p.Addr.String())
	}
	for _, p := range c.PeersNew {
		if p.IsNew() {
			add(Add, "peer "+p.New.Name, fmt.Sprintf("%s, AS %d", p.New.Addr, p.New.ASN))
			continue
		}
		add(Modify, "peer "+p.New.Name, peerDiff(p))
	}
	for _, r := range c.Announced {
		if !r.Old.Prefix.IsValid() {
			add(Add, "announcement "+r.New.Prefix.String(), words(r.New))
		} else {
			add(Modify, "announcement "+r.New.Prefix.String(), routeDiff(r))
		}
	}
	if c.Speaker == Remove {
		add(Remove, "BGP speaker", fmt.Sprintf("AS %d", c.From.ASN))
	}
	return steps
}

func peerDiff(p PeerChange) string {
	var l []string
	field(&l, "name", p.Old.Name, p.New.Name)
	field(&l, "AS", p.Old.ASN, p.New.ASN)
	field(&l, "local address", p.Old.LocalAddr, p.New.LocalAddr)
	field(&l, "hold", p.Old.Hold, p.New.Hold)
	field(&l, "keepalive", p.Old.Keepalive, p.New.Keepalive)
	field(&l, "connect retry", p.Old.ConnectRetry, p.New.ConnectRetry)
	field(&l, "TTL", p.Old.TTL, p.New.TTL)
	field(&l, "TTL security", p.Old.TTLSecurity, p.New.TTLSecurity)
	field(&l, "BFD", bfdWord(p.Old.BFD), bfdWord(p.New.BFD))
	if p.Old.BFD != nil && p.New.BFD != nil && p.Old.BFD.Password != p.New.BFD.Password {
		l = append(l, "BFD password changed")
	}
	field(&l, "graceful restart", p.Old.GracefulRestart, p.New.GracefulRestart)
	if p.Old.Password != p.New.Password {
		l = append(l, "password changed")
	}
	if p.Old.AO != p.New.AO {
		l = append(l, "TCP-AO changed")
	}
	if !p.KeepsSession {
		l = append(l, "the session starts anew")
	}
	return strings.Join(l, "; ")
}

// words are what an announcement says beyond its prefix.
func words(r Route) string {
	var l []string
	say := func(name string, value any, there bool) {
		if there {
			l = append(l, fmt.Sprintf("%s %v", name, value))
		}
	}
	say("next hop", r.NextHop, r.NextHop.IsValid())
	say("communities", list(r.Communities), len(r.Communities) > 0)
	say("large communities", list(r.Large), len(r.Large) > 0)
	say("MED", optional(r.MED), r.MED != nil)
	say("local preference", optional(r.LocalPref), r.LocalPref != nil)
	say("prepend", r.Prepend, r.Prepend > 0)
	say("peers", list(r.Only), r.Restricted)
	return strings.Join(l, "; ")
}

func routeDiff(r RouteChange) string {
	var l []string
	field(&l, "next hop", addrWord(r.Old.NextHop), addrWord(r.New.NextHop))
	field(&l, "communities", list(r.Old.Communities), list(r.New.Communities))
	field(&l, "large communities", list(r.Old.Large), list(r.New.Large))
	field(&l, "MED", optional(r.Old.MED), optional(r.New.MED))
	field(&l, "local preference", optional(r.Old.LocalPref), optional(r.New.LocalPref))
	field(&l, "prepend", r.Old.Prepend, r.New.Prepend)
	field(&l, "peers", peersWord(r.Old), peersWord(r.New))
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

func bfdWord(b *plugins.BFD) string {
	if b == nil {
		return "off"
	}
	return fmt.Sprintf("every %s, %s x %d", b.TX, b.RX, b.Multiplier)
}

func peersWord(r Route) string {
	if !r.Restricted {
		return "all"
	}
	return list(r.Only)
}

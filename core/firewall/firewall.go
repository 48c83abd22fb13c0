// Package firewall tells which packets this host's packet filter drops, as far
// as its rules can be understood without sending any.
package firewall

import (
	"net/netip"
	"slices"
	"strings"
)

// Hook is where a chain looks at packets (nft(8)).
type Hook string

// The hooks of this host's own packets.
const (
	Input  Hook = "input"
	Output Hook = "output"
)

// Packet is what a rule is asked about. A port of 0 is any.
type Packet struct {
	Hook           Hook
	Protocol       string // "tcp" or "udp"
	Source, Target netip.Addr
	SourcePort     int
	TargetPort     int
	Link           string // by which it comes in or goes out
	Established    bool   // it belongs to a connection that the filter knows
}

// Ruleset are the chains of a host by name; names are unique over all tables.
type Ruleset struct{ chains map[string]*chain }

// chain is a list of rules. One without a hook is only jumped to.
type chain struct {
	name  string
	hook  Hook
	four  bool // it sees IPv4
	six   bool
	drops bool // the policy
	rules []rule
}

// rule applies to packets of which every match holds.
type rule struct {
	matches []match
	verdict verdict
	target  string // of jump and goto
}

// verdict is what becomes of a packet.
type verdict int

const (
	next verdict = iota // the rule only counts, logs or marks
	accept
	drop
	jump
	goTo
	giveBack // return
)

// truth is how a match ends: what is not understood may be either.
type truth int

const (
	no truth = iota
	maybe
	yes
)

// match is one condition.
type match func(Packet) truth

func unknown(Packet) truth { return maybe }

func truthOf(is bool) truth {
	if is {
		return yes
	}
	return no
}

func (t truth) not() truth { return yes - t }

// fates is the set of what may become of a packet.
type fates struct{ accepted, dropped, through bool }

func (f *fates) join(o fates) {
	f.accepted, f.dropped, f.through = f.accepted || o.accepted, f.dropped || o.dropped, f.through || o.through
}

// Drops reports whether a packet is dropped for certain, and by which chain.
func (r Ruleset) Drops(p Packet) (by string, dropped bool) {
	names := make([]string, 0, len(r.chains))
	for name := range r.chains {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := r.chains[name]
		if c.hook != p.Hook || p.Target.Is4() && !c.four || p.Target.Is6() && !c.six {
			continue
		}
		// What one chain accepts, the next one may drop.
		w := walk{chains: r.chains, packet: p, left: maxRules}
		f := w.through(c, 0)
		if f.through && c.drops {
			f.dropped = true
		} else if f.through {
			f.accepted = true
		}
		if f.dropped && !f.accepted {
			return c.name, true
		}
	}
	return "", false
}

const (
	// maxDepth bounds jumps; the kernel's own bound is 16.
	maxDepth = 16
	// maxRules bounds how many rules are looked at for one packet: chains that
	// call others several times multiply.
	maxRules = 100_000
)

// walk is the way of one packet.
type walk struct {
	chains map[string]*chain
	packet Packet
	left   int // of maxRules
}

// anything is the fate of a packet whose way can't be followed.
var anything = fates{accepted: true, dropped: true, through: true}

// through follows the rules of a chain. It gives all that may happen.
func (w *walk) through(c *chain, depth int) fates {
	var all fates
	for _, rule := range c.rules {
		if w.left--; w.left < 0 {
			return anything
		}
		fits := yes
		for _, m := range rule.matches {
			fits = min(fits, m(w.packet))
		}
		if fits == no {
			continue
		}
		f := w.apply(rule, depth)
		if rule.verdict == giveBack || rule.verdict == goTo {
			// What comes through goes back to where this chain was called.
			all.join(f)
			if fits == yes {
				return all
			}
			continue
		}
		all.join(fates{accepted: f.accepted, dropped: f.dropped})
		if fits == yes && !f.through {
			return all
		}
	}
	all.through = true
	return all
}

func (w *walk) apply(r rule, depth int) fates {
	switch r.verdict {
	case accept:
		return fates{accepted: true}
	case drop:
		return fates{dropped: true}
	case jump, goTo:
		if c := w.chains[r.target]; c != nil && depth < maxDepth {
			return w.through(c, depth+1)
		}
		return anything
	default:
		return fates{through: true}
	}
}

// onLink compares a link's name with a pattern that may end in a wildcard.
func onLink(pattern, wildcard string) match {
	return func(p Packet) truth {
		if stem, wild := strings.CutSuffix(pattern, wildcard); wild {
			return truthOf(strings.HasPrefix(p.Link, stem))
		}
		return truthOf(p.Link == pattern)
	}
}

// inState: a packet that is not of a known connection is new.
func inState(state string) match {
	state = strings.ToLower(state)
	return func(p Packet) truth {
		return truthOf(state == "established" && p.Established || state == "new" && !p.Established)
	}
}

// portIs is about a range of ports. A packet without one has any.
func portIs(of func(Packet) int, from, to int) match {
	return func(p Packet) truth {
		n := of(p)
		if n == 0 {
			return maybe
		}
		return truthOf(n >= from && n <= to)
	}
}

func sourcePort(p Packet) int { return p.SourcePort }
func targetPort(p Packet) int { return p.TargetPort }

func source(p Packet) netip.Addr { return p.Source }
func target(p Packet) netip.Addr { return p.Target }

func within(of func(Packet) netip.Addr, prefix netip.Prefix) match {
	return func(p Packet) truth {
		a := of(p)
		if !a.IsValid() {
			return maybe
		}
		return truthOf(prefix.Contains(a.WithZone("")))
	}
}

func protocolIs(name string) match {
	return func(p Packet) truth { return truthOf(p.Protocol == name || name == "all") }
}

// anyOf holds when one of several does.
func anyOf(all []match) match {
	return func(p Packet) truth {
		best := no
		for _, m := range all {
			best = max(best, m(p))
		}
		return best
	}
}

func negate(m match) match { return func(p Packet) truth { return m(p).not() } }

// parsePrefix takes an address, or one with a length.
func parsePrefix(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, true
	}
	a, err := netip.ParseAddr(s)
	return netip.PrefixFrom(a, a.BitLen()), err == nil
}

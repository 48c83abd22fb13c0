package migrate

import (
	"net/netip"
	"slices"
	"strings"
)

// static is a route of a protocol static.
type static struct {
	route
	proto string
	body  []node // attributes of its own
}

// export is what a session is sent.
type export struct {
	name     string // of the protocol
	channels map[string]node
}

func (b *bird) static(n node) {
	for _, s := range n.body {
		if !s.is("route") {
			continue // its channel, and options of the protocol
		}
		p, err := netip.ParsePrefix(s.word(1))
		if err != nil {
			b.leave(s.line, s.String(), "it is no prefix")
			continue
		}
		proto := ""
		if len(n.words) > 2 {
			proto = n.word(2)
		}
		b.statics = append(b.statics, static{route: route{prefix: p.Masked(), line: s.line}, proto: proto, body: s.body})
	}
}

// exported finds the static routes that a session is sent, with the attributes
// that the first such session gets.
func (b *bird) exported() {
	for _, s := range b.statics {
		sent := false
		for _, e := range b.exports {
			r := s.route
			b.run(s.body, &r, s.proto)
			if !b.passes(e, &r, s.proto) {
				continue
			}
			b.addRoute(r)
			sent = true
			break
		}
		if !sent {
			b.leave(s.line, "route "+s.prefix.String(), "no session is sent it")
		}
	}
}

// passes runs the export filter of the route's channel. Without one nothing is
// exported.
func (b *bird) passes(e export, r *route, proto string) bool {
	family := "ipv4"
	if r.prefix.Addr().Is6() {
		family = "ipv6"
	}
	for _, s := range slices.Backward(e.channels[family].body) {
		if !s.is("export") {
			continue
		}
		switch s.word(1) {
		case "all":
			return true
		case "filter":
			body := s.body
			if f, ok := b.filters[s.word(2)]; ok && body == nil {
				body = f.body
			}
			accepted, decided := b.run(body, r, proto)
			return accepted && decided
		case "where":
			yes, known := b.holds(s.rest(2), *r, proto)
			if !known {
				b.unknown(s, "this condition is not read; the routes are taken as exported")
			}
			return yes || !known
		}
		return false
	}
	return false
}

// run does the statements of a filter to a route. decided is false when none of
// them accepts or rejects it.
func (b *bird) run(body []node, r *route, proto string) (accepted, decided bool) {
	skipElse := true
	for _, s := range body {
		switch {
		case s.is("accept"):
			return true, true
		case s.is("reject"):
			return false, true
		case s.is("if"), s.is("else", "if"), s.is("else"):
			if s.is("else") && skipElse {
				continue
			}
			yes, known, then := b.branch(s, *r, proto)
			if skipElse = yes || !known; !yes {
				continue
			}
			if accepted, decided = b.run(then, r, proto); decided {
				return accepted, true
			}
		default:
			b.change(s, r)
		}
	}
	return false, false
}

// branch judges the condition of an if or else, and gives what it leads to.
func (b *bird) branch(s node, r route, proto string) (yes, known bool, then []node) {
	words := s.words
	if words[0] == "else" {
		words = words[1:]
	}
	yes, known = true, true
	if len(words) > 0 && words[0] == "if" {
		end := slices.Index(words, "then")
		if end < 0 {
			end = len(words)
		}
		if yes, known = b.holds(words[1:end], r, proto); !known {
			b.unknown(s, "this condition is not read, so what it leads to was left out")
		}
		words = words[min(end+1, len(words)):]
	}
	then = s.body
	if len(words) > 0 {
		then = []node{{words: words, line: s.line, body: s.body}}
	}
	return yes && known, known, then
}

// unknown reports a statement of a filter once, however many routes pass it.
func (b *bird) unknown(s node, why string) {
	if !b.unread[s.line] {
		b.unread[s.line] = true
		b.leave(s.line, s.String(), why)
	}
}

// change does one assignment.
func (b *bird) change(s node, r *route) {
	args := arguments(s.words)
	switch {
	case s.is("bgp_community.add") && len(args) == 2:
		if c, ok := community(strings.Join(args, ":")); ok {
			r.attrs.communities = append(slices.Clone(r.attrs.communities), c)
		}
	case s.is("bgp_large_community.add") && len(args) == 3 && large(strings.Join(args, ":")):
		r.attrs.large = append(slices.Clone(r.attrs.large), strings.Join(args, ":"))
	case s.is("bgp_community.empty"), s.is("bgp_community", "=", "-empty-"):
		r.attrs.communities = nil
	case s.is("bgp_med", "=") && len(s.words) == 3:
		n := count(s.word(2), 4294967295)
		r.attrs.med = &n
	case s.is("bgp_local_pref", "=") && len(s.words) == 3:
		n := count(s.word(2), 4294967295)
		r.attrs.localPref = &n
	case s.is("bgp_path.prepend") && len(args) == 1:
		r.attrs.prepend++
	case s.is("print"), s.is("printn"):
	default:
		b.unknown(s, "it has no counterpart")
	}
}

// arguments are the words of a call that are no marks: (65000, 1) gives two.
func arguments(words []string) []string {
	var args []string
	for _, w := range words[1:] {
		if !slices.Contains([]string{"(", ")", ","}, w) {
			args = append(args, w)
		}
	}
	return args
}

// holds judges a condition about a static route.
func (b *bird) holds(cond []string, r route, proto string) (yes, known bool) {
	if len(cond) > 2 && cond[0] == "(" && cond[len(cond)-1] == ")" {
		cond = cond[1 : len(cond)-1]
	}
	switch {
	case slices.Equal(cond, []string{"true"}):
		return true, true
	case match(cond, "proto", "=") && len(cond) == 3:
		return cond[2] == proto, true
	case match(cond, "source", "=") && len(cond) == 3:
		return cond[2] == "RTS_STATIC", true
	case match(cond, "net", "=") && len(cond) == 3:
		p, err := netip.ParsePrefix(cond[2])
		return err == nil && p == r.prefix, err == nil
	case match(cond, "net", "~", "["):
		for _, w := range cond[3:] {
			if w == "," || w == "]" {
				continue
			}
			in, ok := inPattern(w, r.prefix)
			if !ok {
				return false, false
			}
			yes = yes || in
		}
		return yes, true
	}
	return false, false
}

// inPattern tells whether a prefix pattern has p: PREFIX is itself, PREFIX+ it and
// all within, PREFIX{LOW,HIGH} those within of these lengths.
func inPattern(pattern string, p netip.Prefix) (in, ok bool) {
	base, lengths, ranged := strings.Cut(strings.TrimSuffix(pattern, "}"), "{")
	base, plus := strings.CutSuffix(base, "+")
	outer, err := netip.ParsePrefix(base)
	if err != nil {
		return false, false
	}
	if !ranged && !plus {
		return outer.Masked() == p, true
	}
	low, high := outer.Bits(), outer.Addr().BitLen()
	if ranged {
		a, z, _ := strings.Cut(lengths, ",")
		low, high = int(count(a, 128)), int(count(z, 128))
	}
	return outer.Contains(p.Addr()) && p.Bits() >= max(low, outer.Bits()) && p.Bits() <= high, true
}

package migrate

import (
	"fmt"
	"net/netip"
	"slices"
)

// BIRD reads a bird.conf of BIRD 2: its BGP protocols and templates, the static
// routes that they export, and the attributes that filters give those.
// Passwords go to files in the folder keys.
func BIRD(name string, text []byte, keys string) (Converted, error) {
	tokens, err := birdTokens(name, string(text))
	if err != nil {
		return Converted{}, err
	}
	tree, err := parseTree(name, tokens)
	if err != nil {
		return Converted{}, err
	}
	b := &bird{speaker: newSpeaker("bird", name, keys),
		templates: map[string]node{}, filters: map[string]node{}, unread: map[int]bool{}}
	for _, n := range tree {
		b.top(n)
	}
	if len(b.sessions) == 0 {
		return Converted{}, fmt.Errorf("%s has no \"protocol bgp\"", name)
	}
	for _, n := range b.sessions {
		b.session(n)
	}
	b.exported()
	return b.write(), nil
}

// bird is the reading of one configuration.
type bird struct {
	speaker
	templates map[string]node
	filters   map[string]node
	sessions  []node
	statics   []static
	exports   []export
	unread    map[int]bool // lines of filters that were reported
}

// top reads a statement of the file.
func (b *bird) top(n node) {
	switch {
	case n.is("router", "id"):
		b.routerID = n
	case n.is("template", "bgp"):
		b.templates[n.word(2)] = n
	case n.is("protocol", "bgp"):
		b.sessions = append(b.sessions, n)
	case n.is("protocol", "static"):
		b.static(n)
	case n.is("filter"):
		b.filters[n.word(1)] = n
	case n.is("protocol", "direct"):
		b.leave(n.line, n.String(), "it has BIRD export addresses of links; make a VIP of each that others shall reach")
	case n.is("include"):
		b.leave(n.line, n.String(), "import that file too, or put them together first")
	case n.is("function"):
		b.leave(n.line, n.String(), "functions are not read; look at what the filters do by it")
	case n.is("protocol", "device"), n.is("protocol", "kernel"), n.is("protocol", "bfd"), n.is("log"), n.is("debug"), n.is("watchdog"),
		n.is("define"), n.is("timeformat"), n.is("ipv4", "table"), n.is("ipv6", "table"), n.is("hostname"):
	default:
		b.leave(n.line, hidden(n.words), "it stays with BIRD, if BIRD stays")
	}
}

// session reads a protocol bgp, on top of its template.
func (b *bird) session(n node) {
	p := &peer{line: n.line, ttl: 1}
	ends := export{name: n.word(2), channels: map[string]node{}}
	disabled, security := false, false
	for _, s := range b.statements(n, 0) {
		switch {
		case s.is("local"):
			b.local(p, s)
		case s.is("neighbor"):
			b.neighbor(p, s)
		case s.is("source", "address"):
			p.local, _ = netip.ParseAddr(s.word(2))
		case s.is("multihop"):
			p.ttl = int(count(s.word(1), 255))
			if p.ttl == 0 {
				p.ttl = 64 // BIRD's own
			}
		case s.is("hold", "time"):
			p.hold = int(count(s.word(2), 65535))
		case s.is("keepalive", "time"):
			p.keep = int(count(s.word(2), 65535))
		case s.is("connect", "retry", "time"):
			p.retry = int(count(s.word(3), 65535))
		case s.is("password"):
			p.password, p.passwordAt = s.word(1), s.line
		case s.is("ttl", "security"):
			security = on(s.word(2))
		case s.is("bfd"):
			b.bfd(p, s)
		case s.is("description"):
			p.about = s.word(1)
		case s.is("disabled"):
			disabled = on(s.word(1))
		case s.is("ipv4"), s.is("ipv6"):
			ends.channels[s.word(0)] = s
		case s.is("direct"), s.is("strict", "bind"), s.is("connect", "delay"), s.is("error"), s.is("startup"), s.is("debug"), s.is("allow"), s.is("interface"):
		case s.is("graceful", "restart"):
			b.leave(s.line, s.String(), `graceful_restart = "60s" in [bgp] keeps the routes of a host that is dead for so long too`)
		default:
			b.leave(s.line, hidden(s.words), "it has no counterpart")
		}
	}
	if security {
		p.security, p.ttl = p.ttl, 0
	}
	switch {
	case disabled:
		b.leave(n.line, n.String(), "it is disabled")
		return
	case !p.addr.IsValid():
		b.leave(n.line, n.String(), "it names no neighbour by address")
		return
	}
	if p.ttl == 1 {
		p.ttl = 0 // the default
	}
	p.name = b.names.Name(n.word(2), "peer")
	b.peers = append(b.peers, p)
	b.exports = append(b.exports, ends)
}

// statements are those of the templates, then of the protocol itself.
func (b *bird) statements(n node, depth int) []node {
	var all []node
	if i := slices.Index(n.words, "from"); i > 0 && depth < maxDepth {
		if t, ok := b.templates[n.word(i+1)]; ok {
			all = b.statements(t, depth+1)
		} else {
			b.leave(n.line, n.String(), "there is no such template in this file")
		}
	}
	return append(all, n.body...)
}

func (b *bird) local(p *peer, s node) {
	if a, err := netip.ParseAddr(s.word(1)); err == nil {
		p.local = a
	}
	if i := slices.Index(s.words, "as"); i > 0 {
		n := count(s.word(i+1), 4294967295)
		if b.own != 0 && n != b.own {
			b.leave(s.line, s.String(), fmt.Sprintf("this host has one AS number here, %d; another is for an instance of Stentor's own", b.own))
			return
		}
		b.own = n
	}
}

func (b *bird) neighbor(p *peer, s node) {
	if a, err := netip.ParseAddr(s.word(1)); err == nil {
		p.addr = a
	}
	if i := slices.Index(s.words, "as"); i > 0 {
		p.asn, p.asnText = count(s.word(i+1), 4294967295), s.word(i+1)
	} else if len(s.words) > 2 {
		p.asnText = s.word(len(s.words) - 1)
		if p.asnText == "internal" {
			p.asn = b.own
		}
	}
}

func (b *bird) bfd(p *peer, s node) {
	p.bfd = len(s.words) == 1 || on(s.word(1)) || s.word(1) == "graceful"
	for _, o := range s.body {
		value := o.words[len(o.words)-1]
		ms := 1000
		if value == "ms" || value == "s" || value == "us" {
			if value == "ms" {
				ms = 1
			}
			value = o.word(len(o.words) - 2)
		}
		n := int(count(value, 60000)) * ms
		switch {
		case o.is("interval"):
			p.bfdTX, p.bfdRX = n, n
		case o.is("min", "rx"):
			p.bfdRX = n
		case o.is("min", "tx"):
			p.bfdTX = n
		case o.is("multiplier"):
			p.bfdMultiply = int(count(value, 255))
		default:
			b.leave(o.line, o.String(), "it has no counterpart")
		}
	}
}

// on reads a switch; one without a word is on.
func on(word string) bool { return word == "" || word == "on" || word == "yes" || word == "true" }

package migrate

import (
	"net/netip"
	"slices"
	"strings"
)

// find gives the neighbour or peer-group of that name.
func (f *frr) find(text string, line int) *frrNeighbor {
	if g := f.groups[text]; g != nil {
		return g
	}
	if n := f.named[text]; n != nil {
		return n
	}
	n := &frrNeighbor{text: text}
	f.named[text] = n
	n.line = line
	n.addr, _ = netip.ParseAddr(text)
	f.all = append(f.all, n)
	return n
}

// neighbor reads a line about one neighbour.
func (f *frr) neighbor(who string, words []string, line int) {
	if match(words, "peer-group") && len(words) == 1 {
		g := &frrNeighbor{text: who}
		g.line = line
		f.groups[who] = g
		return
	}
	n := f.find(who, line)
	value := ""
	if len(words) > 1 {
		value = words[1]
	}
	switch words[0] {
	case "interface":
		f.leave(line, who+" "+strings.Join(words, " "), `a peer has an address here; a link-local one names its link: address = "fe80::1%eth0"`)
	case "peer-group":
		n.group = value
	case "remote-as":
		n.asn, n.asnText = count(value, 4294967295), value
		if value == "internal" {
			n.asn = f.own
		}
	case "description":
		n.about = strings.Join(words[1:], " ")
	case "timers":
		if value == "connect" && len(words) > 2 {
			n.retry = int(count(words[2], 65535))
		} else if len(words) > 2 {
			n.keep, n.hold = int(count(value, 65535)), int(count(words[2], 65535))
		}
	case "ebgp-multihop":
		n.ttl = int(count(value, 255))
		if n.ttl == 0 {
			n.ttl = 255
		}
	case "ttl-security":
		if len(words) > 2 {
			n.security = int(count(words[2], 254))
		}
	case "password":
		n.password, n.passwordAt = strings.Join(words[1:], " "), line
	case "update-source":
		var err error
		if n.local, err = netip.ParseAddr(value); err != nil {
			f.leave(line, "neighbor "+who+" "+strings.Join(words, " "), "local_address is an address here, not a link")
		}
	case "bfd":
		n.bfd = true
		switch {
		case value == "profile" && len(words) > 2:
			n.profile = words[2]
		case len(words) == 4: // multiplier, receive, transmit
			n.bfdMultiply, n.bfdRX, n.bfdTX = int(count(value, 255)), int(count(words[2], 60000)), int(count(words[3], 60000))
		}
	case "route-map":
		if len(words) == 3 && words[2] == "out" {
			n.out = value
		} // in: nothing is taken in
	case "shutdown":
		n.down = true
	case "activate", "send-community", "capability", "soft-reconfiguration", "next-hop-self", "maximum-prefix", "remove-private-AS", "disable-connected-check":
		// what Stentor's speakers do, or what is about routes taken in
	default:
		f.leave(line, "neighbor "+who+" "+hidden(words), "it has no counterpart")
	}
}

// resolve joins neighbours with their groups, and networks with the route-maps.
func (f *frr) resolve() {
	var out []string
	for _, n := range f.all {
		n.inherit(f.groups[n.group])
		n.inherit(&f.timers)
		n.inherit(f.profiles[n.profile])
		switch {
		case !n.addr.IsValid():
			f.leave(n.line, "neighbor "+n.text, "it has no address")
			continue
		case n.down:
			f.leave(n.line, "neighbor "+n.text, "it is shut down")
			continue
		}
		n.name = f.names.Name("peer-"+n.text, "peer")
		if n.out != "" && !slices.Contains(out, n.out) {
			out = append(out, n.out)
		}
		f.peers = append(f.peers, &n.peer)
	}
	for _, n := range f.networks {
		r := route{prefix: n.prefix, line: n.line}
		ok := true
		for _, m := range append([]string{n.routes}, out[:min(1, len(out))]...) {
			ok = ok && f.apply(m, &r)
		}
		if len(out) > 1 {
			r.notes = append(r.notes, "The peers are sent it by different route-maps there ("+strings.Join(out, ", ")+"); this is what the first one says.")
		}
		if ok {
			f.addRoute(r)
		} else {
			f.leave(n.line, "network "+n.prefix.String(), "its route-maps keep it back")
		}
	}
	slices.SortFunc(f.peers, func(a, b *peer) int { return a.line - b.line })
}

// inherit takes over what n itself does not say.
func (n *frrNeighbor) inherit(g *frrNeighbor) {
	if g == nil {
		return
	}
	if n.asn == 0 && n.asnText == "" {
		n.asn, n.asnText = g.asn, g.asnText
	}
	if n.hold == 0 {
		n.hold, n.keep = g.hold, g.keep
	}
	if n.retry == 0 {
		n.retry = g.retry
	}
	if n.ttl == 0 && n.security == 0 {
		n.ttl, n.security = g.ttl, g.security
	}
	if !n.local.IsValid() {
		n.local = g.local
	}
	if n.password == "" {
		n.password, n.passwordAt = g.password, g.passwordAt
	}
	if n.out == "" {
		n.out = g.out
	}
	if n.profile == "" {
		n.profile = g.profile
	}
	if n.bfdMultiply == 0 && n.bfdTX == 0 && n.bfdRX == 0 {
		n.bfdMultiply, n.bfdTX, n.bfdRX = g.bfdMultiply, g.bfdTX, g.bfdRX
	}
	n.bfd, n.down = n.bfd || g.bfd, n.down || g.down
}

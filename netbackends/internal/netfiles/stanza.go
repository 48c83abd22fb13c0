package netfiles

import (
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// Addresses gives those of its stanzas, and of the ip(8) commands that these
// run when a link comes up.
func (i Interfaces) Addresses() []Address {
	var all []Address
	var s stanza
	for _, l := range i.Lines {
		if l.Path != s.path || startsStanza(l.Words[0]) {
			all = append(all, s.addresses()...)
			s = newStanza(l)
		}
		if !l.ours && len(l.Words) > 1 {
			s.add(l)
		}
	}
	return append(all, s.addresses()...)
}

// stanza is an iface line and what follows it in the same file.
type stanza struct {
	path, link string
	inet6      bool
	netmask    int // 0: none is named
	lines      []Line
}

func newStanza(l Line) stanza {
	s := stanza{path: l.Path}
	if l.Words[0] == "iface" && len(l.Words) > 1 {
		s.link, _, _ = strings.Cut(l.Words[1], ":") // an alias, as lo:1, stands on its link
		s.inet6 = len(l.Words) > 2 && l.Words[2] == "inet6"
	}
	return s
}

func (s *stanza) add(l Line) {
	switch l.Words[0] {
	case "address", "up", "post-up", "pre-up":
		s.lines = append(s.lines, l)
	case "netmask":
		if bits, err := strconv.Atoi(l.Words[1]); err == nil {
			s.netmask = bits
		} else if a, err := netip.ParseAddr(l.Words[1]); err == nil && a.Is4() {
			s.netmask, _ = net.IPMask(a.AsSlice()).Size()
		}
	}
}

func (s *stanza) addresses() []Address {
	if s.link == "" {
		return nil
	}
	bits := s.netmask
	if bits == 0 && s.inet6 {
		bits = 64 // the default of inet6 static
	}
	var all []Address
	for _, l := range s.lines {
		link := s.link
		p, ok := parse(l.Words[1], bits)
		if l.Words[0] != "address" {
			var dev string
			if p, dev, ok = ipCommand(l.Words[1:]); dev != "" {
				link = dev
			}
		}
		if ok {
			all = append(all, Address{l.Path, l.Number, link, p})
		}
	}
	return all
}

func startsStanza(word string) bool {
	switch word {
	case "iface", "auto", "mapping", "source", "source-directory", "rename", "no-auto-down", "no-scripts":
		return true
	}
	return strings.HasPrefix(word, "allow-")
}

// ipCommand reads "ip [-6] address add|replace PREFIX [dev LINK]".
func ipCommand(words []string) (p netip.Prefix, dev string, ok bool) {
	if path.Base(words[0]) != "ip" {
		return p, "", false
	}
	for words = words[1:]; len(words) > 0 && strings.HasPrefix(words[0], "-"); {
		words = words[1:]
	}
	if len(words) < 3 || !strings.HasPrefix("address", words[0]) || words[1] != "add" && words[1] != "replace" {
		return p, "", false
	}
	p, ok = parse(words[2], 0)
	for n := 3; n+1 < len(words); n++ {
		if words[n] == "dev" {
			dev = strings.Trim(words[n+1], `"';`)
		}
	}
	return p, dev, ok
}

package migrate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// mapEntry is one "route-map NAME permit|deny SEQ".
type mapEntry struct {
	line   int
	seq    int
	permit bool
	lists  []string // prefix-lists that must have the prefix, by family and name
	odd    bool     // it matches by something that is not known here
	set    []func(*attrs)
}

// mapLine reads a line of a route-map.
func (f *frr) mapLine(e *mapEntry, words []string, line int) bool {
	text := strings.Join(words, " ")
	set := func(change func(*attrs)) { e.set = append(e.set, change) }
	switch {
	case match(words, "set", "community") && len(words) > 2:
		f.setCommunities(e, words[2:], line)
	case match(words, "set", "large-community") && len(words) > 2:
		var list []string
		for _, w := range words[2:] {
			if large(w) {
				list = append(list, w)
			}
		}
		set(func(a *attrs) { a.large = append(a.large, list...) })
	case match(words, "set", "metric") && len(words) == 3 && (words[2] == "0" || count(words[2], 4294967295) > 0):
		med := count(words[2], 4294967295)
		set(func(a *attrs) { a.med = &med })
	case match(words, "set", "local-preference") && len(words) == 3:
		pref := count(words[2], 4294967295)
		set(func(a *attrs) { a.localPref = &pref })
	case match(words, "set", "as-path", "prepend"):
		times := len(words) - 3
		if match(words[3:], "last-as") {
			f.leave(line, text, "prepend counts our own AS number here")
			break
		}
		set(func(a *attrs) { a.prepend += times })
	case match(words, "match", "ip", "address", "prefix-list") && len(words) == 5:
		e.lists = append(e.lists, "ip "+words[4])
	case match(words, "match", "ipv6", "address", "prefix-list") && len(words) == 5:
		e.lists = append(e.lists, "ipv6 "+words[4])
	case words[0] == "match":
		e.odd = true
		f.leave(line, text, "this entry of the route-map was left out")
	case words[0] == "set", words[0] == "call", words[0] == "on-match":
		f.leave(line, text, "it has no counterpart")
	case words[0] == "description":
	default:
		return false
	}
	return true
}

func (f *frr) setCommunities(e *mapEntry, words []string, line int) {
	add := slices.Contains(words, "additive")
	var list []string
	for _, w := range words {
		c, ok := community(w)
		switch {
		case ok:
			list = append(list, c)
		case w != "additive" && w != "none":
			f.leave(line, "set community "+w, "it is no community that the config can have")
		}
	}
	e.set = append(e.set, func(a *attrs) {
		if !add {
			a.communities = nil
		}
		a.communities = append(a.communities, list...)
	})
}

// apply runs a route-map over a route, and tells whether it passes: the first
// entry that matches decides, and none is a no.
func (f *frr) apply(name string, r *route) bool {
	if name == "" {
		return true
	}
	entries, known := f.maps[name]
	if !known {
		r.notes = append(r.notes, fmt.Sprintf("The route-map %s is not in this file.", name))
		return true
	}
	slices.SortStableFunc(entries, func(a, b *mapEntry) int { return cmp.Compare(a.seq, b.seq) })
	for _, e := range entries {
		if e.odd || !f.matches(e, r.prefix) {
			continue
		}
		if e.permit {
			for _, change := range e.set {
				change(&r.attrs)
			}
		}
		return e.permit
	}
	return false
}

func (f *frr) matches(e *mapEntry, p netip.Prefix) bool {
	family := "ip "
	if p.Addr().Is6() {
		family = "ipv6 "
	}
	for _, l := range e.lists {
		if !strings.HasPrefix(l, family) || !slices.Contains(f.lists[l], p) {
			return false
		}
	}
	return true
}

package main

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// sync has ExaBGP announce what is wanted and can be sent, and withdraw the
// rest. Without a session there is nothing to do: what is told is forgotten
// with it.
func (s *session) sync() {
	if s.agreed == nil || s.state.State != plugins.StateEstablished {
		return
	}
	say := func(format string, args ...any) { s.lines = append(s.lines, fmt.Sprintf(format+"\n", args...)) }
	for p, text := range s.given {
		if _, ok := s.routes[p]; !ok {
			say("withdraw route %s %s", p, text)
			delete(s.given, p)
		}
	}
	refused := ""
	type kind struct {
		ipv6 bool
		text string // all but the prefix
	}
	alike := map[kind][]netip.Prefix{}
	for _, p := range slices.SortedFunc(maps.Keys(s.routes), netip.Prefix.Compare) {
		hop, why := s.agreed.refusal(p, s.routes[p], s.source)
		text := "next-hop " + hop.String() + s.routes[p].attributes
		switch {
		case why != "":
			refused = why
		case s.given[p] != text:
			k := kind{p.Addr().Is6(), text}
			alike[k] = append(alike[k], p)
			s.given[p] = text
		}
	}
	if refused != s.refused {
		s.refused, s.refusedAt = refused, time.Now()
	}
	// One command for many routes: for each by itself ExaBGP needs milliseconds.
	// It takes all that one names for the family of the last.
	for k, prefixes := range alike {
		for some := range slices.Chunk(prefixes, 100) {
			say("announce attributes %s nlri %s", k.text, words(some))
		}
	}
	s.more.Broadcast()
}

func words(prefixes []netip.Prefix) string {
	all := make([]string, len(prefixes))
	for i, p := range prefixes {
		all[i] = p.String()
	}
	return strings.Join(all, " ")
}

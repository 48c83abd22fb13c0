package frr

import (
	"fmt"
	"slices"
	"strings"
)

// script are lines of configuration, each with the context that it stands in.
type script []line

type line struct {
	router uint32 // in `router bgp`, 0 outside
	family string // in its address family
	text   string
	shared bool // not for bgpd alone: vtysh knows whose it is
}

func (s *script) add(format string, args ...any) {
	*s = append(*s, line{text: fmt.Sprintf(format, args...)})
}

func (s *script) share(format string, args ...any) {
	*s = append(*s, line{text: fmt.Sprintf(format, args...), shared: true})
}

func (s *script) in(router uint32, family, text string) {
	*s = append(*s, line{router: router, family: family, text: text})
}

// routesOnly tells whether a script changes only what is announced. That is a
// handful of lines, always the same but for values; a line that bgpd does not
// know ends the script, with nothing lost. So it need not wait for FRR's parser.
func (s script) routesOnly() bool {
	return !slices.ContainsFunc(s, func(l line) bool { return l.shared || l.router != 0 && l.family == "" })
}

// String renders a script for people and for FRR's parser.
func (s script) String() string {
	return strings.Join(s.lines(), "\n") + "\n"
}

// lines are those of a script with the ones that lead into and out of contexts.
func (s script) lines() []string {
	var out []string
	var at line
	for _, l := range s {
		if at.family != "" && (l.family != at.family || l.router != at.router) {
			out = append(out, " exit-address-family")
		}
		if at.router != 0 && l.router != at.router {
			out = append(out, "exit")
		}
		if l.router != 0 && l.router != at.router {
			out = append(out, fmt.Sprintf("router bgp %d", l.router))
		}
		if l.family != "" && (l.family != at.family || l.router != at.router) {
			out = append(out, " address-family "+l.family)
		}
		at = l
		indent := ""
		switch {
		case l.family != "":
			indent = "  "
		case l.router != 0:
			indent = " "
		}
		out = append(out, indent+l.text)
	}
	if at.family != "" {
		out = append(out, " exit-address-family")
	}
	if at.router != 0 {
		out = append(out, "exit")
	}
	return out
}

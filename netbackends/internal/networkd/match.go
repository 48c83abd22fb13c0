// Package networkd knows which of its files systemd-networkd uses for lo, for
// the backends whose addresses it serves.
package networkd

import (
	"bufio"
	"bytes"
	"path"
	"strings"
)

// Match says whether a .network file is for lo.
type Match int

// The kinds of match.
const (
	MatchNone        Match = iota
	MatchExact             // for lo and no other link
	MatchWildcard          // for lo among others
	MatchConditional       // for lo, if a condition on the host holds
)

// hostConditions are keys of [Match] that do not look at the link (systemd.network(5)).
var hostConditions = map[string]bool{
	"Host": true, "Virtualization": true, "KernelCommandLine": true, "KernelVersion": true,
	"Version": true, "Credential": true, "Architecture": true, "Firmware": true,
}

// MatchesLo reads the [Match] sections of a .network file. lo has no driver,
// path, kind or MAC address that one could match.
func MatchesLo(content []byte) Match {
	keys := map[string][]string{}
	conditional := false
	section := ""
	s := bufio.NewScanner(bytes.NewReader(content))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			section = strings.TrimSuffix(line[1:], "]")
		case section == "Match":
			k, v, ok := strings.Cut(line, "=")
			if k = strings.TrimSpace(k); !ok {
				continue
			}
			if hostConditions[k] {
				conditional = conditional || strings.TrimSpace(v) != ""
			} else if v = strings.TrimSpace(v); v == "" {
				delete(keys, k) // an empty assignment resets the list
			} else {
				keys[k] = append(keys[k], strings.Fields(v)...)
			}
		}
	}
	// systemd ignores a file that matches by nothing.
	if len(keys) == 0 {
		return MatchNone
	}
	exact := false
	for k, patterns := range keys {
		var self string
		switch k {
		case "Name":
			self = "lo"
		case "Type":
			self = "loopback"
		}
		if !globs(patterns, self) {
			return MatchNone
		}
		exact = exact || self != "" && len(patterns) == 1 && patterns[0] == self
	}
	switch {
	case conditional:
		return MatchConditional
	case exact:
		return MatchExact
	}
	return MatchWildcard
}

// globs matches a list of shell patterns; "!" before the first inverts it.
func globs(patterns []string, s string) bool {
	first, inverted := strings.CutPrefix(patterns[0], "!")
	for i, p := range patterns {
		if i == 0 {
			p = first
		}
		if ok, _ := path.Match(strings.Trim(p, `"`), s); ok {
			return !inverted
		}
	}
	return inverted
}

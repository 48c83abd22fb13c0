package host

import (
	"net/netip"
	"regexp"
	"strings"
)

// labelled is the line of a Go panic that names the goroutine, when it carries
// the label "peer" (runtime/pprof).
var labelled = regexp.MustCompile(`^goroutine \d+ .*\bpeer"?: "?([0-9A-Fa-f:.]+)`)

// panicked reads a Go program's last words: what it panicked about, and which
// BGP peer the goroutine served that did, if it says so.
func (t *tail) panicked() (about string, peer netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.frozen {
		return "", netip.Addr{}
	}
	for _, line := range t.lines {
		if !strings.HasPrefix(line, "goroutine ") {
			continue
		}
		if m := labelled.FindStringSubmatch(line); m != nil {
			peer, _ = netip.ParseAddr(m[1])
		}
		break // the first is the one that panicked
	}
	return t.lines[0], peer
}

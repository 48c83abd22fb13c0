package bird

import (
	"strconv"
	"strings"
)

// protocol is one of BIRD's protocols, as `show protocols all` tells it.
type protocol struct {
	name  string
	kind  string // "BGP", "Static" ...
	state string // up, start, down, stop
	since string // in the operator's time format
	info  string // Established, Active ...

	bgpState  string
	lastError string
	message   string   // that came with a Cease
	exported  int      // routes, of all channels
	received  int      // routes that the peer sends
	pending   bool     // something waits to be sent; newer versions tell
	down      []string // channels that are not up
}

// parseProtocols reads the reply to `show protocols` and `show protocols all`.
// What it does not know it skips: each version has lines of its own.
func parseProtocols(r reply) []protocol {
	var all []protocol
	var channel string
	for _, l := range r {
		switch l.code {
		case codeProtocol:
			if p, ok := parseProtocol(l.text); ok {
				all, channel = append(all, p), ""
			}
		case codeDetails:
			if len(all) > 0 {
				all[len(all)-1].detail(strings.TrimSpace(l.text), &channel)
			}
		}
	}
	return all
}

// parseProtocol reads "name proto table state since [info]". The time has a
// space in it in some formats, so info is what stands behind the column's end
// or a known word; it is not needed for more than "down" reasons.
func parseProtocol(text string) (protocol, bool) {
	f := strings.Fields(text)
	if len(f) < 5 {
		return protocol{}, false
	}
	p := protocol{name: f[0], kind: f[1], state: f[3], since: f[4]}
	rest := f[5:]
	if len(rest) > 0 && strings.Count(p.since, "-") == 2 && strings.Contains(rest[0], ":") {
		p.since, rest = p.since+" "+rest[0], rest[1:]
	}
	p.info = strings.Join(rest, " ")
	return p, true
}

func (p *protocol) detail(text string, channel *string) {
	if name, ok := strings.CutPrefix(text, "Channel "); ok {
		*channel = name
		return
	}
	if strings.HasPrefix(text, "Pending ") {
		f := strings.Fields(text) // Pending 0 attribute sets with total 0 prefixes to send
		p.pending = p.pending || len(f) > 7 && (f[1] != "0" || f[6] != "0")
		return
	}
	key, value, ok := strings.Cut(text, ":")
	if !ok {
		return
	}
	value = strings.TrimSpace(value)
	switch key {
	case "BGP state":
		p.bgpState = value
	case "Last error":
		p.lastError = value
	case "Message": // of the peer's operator (RFC 9003)
		p.message = value
	case "TX pending":
		p.pending = p.pending || value != "0 bytes"
	case "State":
		if *channel != "" && value != "UP" {
			p.down = append(p.down, *channel)
		}
	case "Routes": // 0 imported, 1 exported, 0 preferred
		for part := range strings.SplitSeq(value, ", ") {
			if n, ok := strings.CutSuffix(part, " exported"); ok {
				p.exported += number(n)
			}
		}
	case "Import updates": // received, rejected ...
		p.received += first(value)
	case "Import withdraws":
		p.received = max(0, p.received-first(value))
	}
}

func first(columns string) int {
	word, _, _ := strings.Cut(columns, " ")
	return number(word)
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

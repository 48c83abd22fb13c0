package frr

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// theirs is what of the operator's configuration counts for ours.
type theirs struct {
	version    string          // of FRR
	daemons    map[string]bool // those that run
	asn        uint32          // of `router bgp` in the default VRF; 0 if there is none
	lines      int             // in it that are not ours
	peers      map[netip.Addr]bool
	networks   map[netip.Prefix]bool
	statics    map[netip.Prefix]bool
	noDefault4 bool            // `no bgp default ipv4-unicast`
	default6   bool            // `bgp default ipv6-unicast`
	noCheck    bool            // `no bgp network import-check`
	globals    map[string]bool // lines for all of FRR, of those that concern us
	bfd        bool            // `bfd` has something that is not ours
}

// split tells ours from theirs in bgpd's part.
func split(c *config) (piece, theirs) {
	p := newPiece()
	t := theirs{
		version: c.version(), peers: map[netip.Addr]bool{}, networks: map[netip.Prefix]bool{},
		statics: map[netip.Prefix]bool{}, globals: map[string]bool{}, daemons: map[string]bool{},
	}
	for _, s := range c.sections {
		words := strings.Fields(s.head)
		switch {
		case len(words) == 4 && words[0] == "route-map" && strings.HasPrefix(words[1], prefix):
			p.addEntry(words[1], words[2], words[3], s.body)
		case len(words) > 2 && words[0] == "router" && words[1] == "bgp":
			if !slices.Contains(words, "vrf") && !slices.Contains(words, "view") {
				readInstance(&p, &t, words[2], s.body)
			}
		}
	}
	return p, t
}

// addOthers adds what another daemon has.
func (p piece) addOthers(c *config, t *theirs) {
	for _, s := range c.sections {
		words := strings.Fields(s.head)
		switch {
		case len(words) == 4 && words[0] == "route-map" && strings.HasPrefix(words[1], prefix):
			p.strays[words[1]] = true
		case len(words) > 3 && (words[0] == "ip" || words[0] == "ipv6") && words[1] == "route":
			readStatic(p, t, words)
		case s.head == "bfd":
			readProfiles(p, t, s.body)
		case slices.Contains(words, "nht"):
			t.globals[s.head] = true
		}
	}
}

func (p piece) addEntry(name, action, seq string, body []statement) {
	n, err := strconv.Atoi(seq)
	if err != nil {
		return
	}
	e := entry{action: action, seq: n}
	for _, l := range body {
		e.lines = append(e.lines, canonical(l.text))
	}
	slices.Sort(e.lines)
	p.maps[name] = append(p.maps[name], e)
	slices.SortFunc(p.maps[name], func(a, b entry) int { return cmp.Compare(a.seq, b.seq) })
}

// readInstance reads `router bgp`. A neighbor is ours if it is in a peer-group
// of ours, a network if it has a route-map of ours.
func readInstance(p *piece, t *theirs, asn string, body []statement) {
	t.asn = parseASN(asn)
	mine := map[string]bool{}
	for _, l := range body {
		w := strings.Fields(l.text)
		switch {
		case len(w) == 3 && w[0] == "neighbor" && w[2] == "peer-group" && strings.HasPrefix(w[1], prefix),
			len(w) == 4 && w[0] == "neighbor" && w[2] == "peer-group" && strings.HasPrefix(w[3], prefix):
			mine[w[1]] = true
		case l.text == "no bgp default ipv4-unicast":
			t.noDefault4 = true
		case l.text == "bgp default ipv6-unicast":
			t.default6 = true
		case l.text == "no bgp network import-check":
			t.noCheck = true
		}
	}
	p.made = mine[madeGroup]
	for _, l := range body {
		w := strings.Fields(l.text)
		switch {
		case len(w) > 2 && w[0] == "neighbor" && mine[w[1]]:
			p.addNeighbor(w[1], statement{l.family, strings.Join(w[2:], " ")})
		case len(w) > 2 && w[0] == "neighbor":
			t.lines++
			if a, err := netip.ParseAddr(w[1]); err == nil {
				t.peers[a] = true
			}
		case len(w) > 1 && w[0] == "network":
			x, err := netip.ParsePrefix(w[1])
			if err == nil && len(w) == 4 && w[2] == "route-map" && strings.HasPrefix(w[3], setPrefix) {
				p.networks[x] = w[3]
				continue
			}
			t.lines++
			if err == nil {
				t.networks[x] = true
			}
		case len(w) == 3 && w[0] == "bgp" && w[1] == "router-id" && p.made:
			p.routerID = w[2]
		default:
			t.lines++
		}
	}
	for g := range p.groups {
		// What is the default is not printed.
		if !t.noDefault4 {
			p.addNeighbor(g, statement{"ipv4 unicast", "activate"})
		}
		if t.default6 {
			p.addNeighbor(g, statement{"ipv6 unicast", "activate"})
		}
	}
	if p.made || len(p.peers)+len(p.groups)+len(p.networks) > 0 {
		p.asn = t.asn
	}
}

func (p piece) addNeighbor(name string, s statement) {
	switch addr, err := netip.ParseAddr(name); {
	case err == nil:
		p.peers[addr] = append(p.peers[addr], s)
		if bfd := (statement{"", "bfd"}); strings.HasPrefix(s.text, "bfd profile ") && !slices.Contains(p.peers[addr], bfd) {
			p.peers[addr] = append(p.peers[addr], bfd) // FRR 7.5 does not print both
		}
	case name == madeGroup:
	case s.text == "peer-group":
		p.groups[name] = append(p.groups[name], statement{})
	default:
		p.groups[name] = append(p.groups[name], s)
	}
}

// parseASN reads plain and dotted numbers (RFC 5396).
func parseASN(s string) uint32 {
	if high, low, dotted := strings.Cut(s, "."); dotted {
		h, err1 := strconv.ParseUint(high, 10, 16)
		l, err2 := strconv.ParseUint(low, 10, 16)
		if err1 != nil || err2 != nil {
			return 0
		}
		return uint32(h<<16 | l)
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// readStatic tells our blackhole routes by their tag.
func readStatic(p piece, t *theirs, words []string) {
	x, err := netip.ParsePrefix(words[2])
	if err != nil {
		return
	}
	if i := slices.Index(words, "tag"); i > 0 && i+1 < len(words) && words[i+1] == strconv.Itoa(staticTag) {
		p.statics[x] = true
		return
	}
	t.statics[x] = true
}

// profileDefaults are the lines of a BFD profile that FRR does not print.
var profileDefaults = []string{"detect-multiplier 3", "receive-interval 300", "transmit-interval 300"}

func readProfiles(p piece, t *theirs, body []statement) {
	name := ""
	for _, l := range body {
		w := strings.Fields(l.text)
		switch {
		case len(w) == 2 && w[0] == "profile" && strings.HasPrefix(w[1], prefix):
			name = w[1]
			p.profiles[name] = slices.Clone(profileDefaults)
		case w[0] == "exit":
			name = ""
		case w[0] == "profile" || w[0] == "peer" || name == "":
			name, t.bfd = "", true
		default:
			lines := slices.DeleteFunc(p.profiles[name], func(d string) bool { return strings.HasPrefix(d, w[0]+" ") })
			lines = append(lines, l.text)
			slices.Sort(lines)
			p.profiles[name] = lines
		}
	}
}

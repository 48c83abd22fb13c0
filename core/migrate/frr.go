package migrate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// FRR reads an frr.conf or bgpd.conf: the BGP instance of the default VRF, its
// neighbours and networks, and the route-maps that set attributes. Passwords
// go to files in the folder keys.
func FRR(name string, text []byte, keys string) (Converted, error) {
	f := &frr{speaker: newSpeaker("frr", name, keys), named: map[string]*frrNeighbor{},
		groups: map[string]*frrNeighbor{}, maps: map[string][]*mapEntry{}, lists: map[string][]netip.Prefix{},
		profiles: map[string]*frrNeighbor{}}
	for i, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "!") || strings.HasPrefix(words[0], "#") {
			continue
		}
		f.line(words, i+1)
	}
	if f.own == 0 {
		return Converted{}, fmt.Errorf("%s has no \"router bgp NUMBER\" for the default VRF", name)
	}
	f.resolve()
	return f.write(), nil
}

// frr is the reading of one configuration. Its lines belong to the context that
// an earlier line opened.
type frr struct {
	speaker
	context  func(words []string, line int) bool // false: the line is not of it
	all      []*frrNeighbor
	named    map[string]*frrNeighbor // the same, by what they are called
	groups   map[string]*frrNeighbor
	maps     map[string][]*mapEntry
	lists    map[string][]netip.Prefix // by family and name
	profiles map[string]*frrNeighbor   // of BFD: timers alone
	networks []frrNetwork
	timers   frrNeighbor // of all
}

type frrNetwork struct {
	prefix netip.Prefix
	routes string // a route-map
	line   int
}

// frrNeighbor is a neighbour or a peer-group.
type frrNeighbor struct {
	peer
	text    string // as it is called there
	group   string
	out     string // route-map
	profile string
	down    bool
}

func (f *frr) line(words []string, line int) {
	if words[0] == "exit" || words[0] == "end" {
		f.context = nil
		return
	}
	if f.context != nil && f.context(words, line) {
		return
	}
	f.context = nil
	switch {
	case match(words, "router", "bgp"):
		f.router(words, line)
	case words[0] == "route-map" && len(words) >= 4:
		e := &mapEntry{line: line, permit: words[2] == "permit", seq: int(count(words[3], 65535))}
		f.maps[words[1]] = append(f.maps[words[1]], e)
		f.context = func(words []string, line int) bool { return f.mapLine(e, words, line) }
	case match(words, "ip", "prefix-list"), match(words, "ipv6", "prefix-list"):
		f.prefixList(words, line)
	case words[0] == "bfd":
		f.context = f.bfdLine
	case slices.Contains([]string{"frr", "hostname", "log", "service", "line", "password", "enable", "agentx", "debug"}, words[0]):
	case match(words, "no", "ipv6", "forwarding"), match(words, "no", "ip", "forwarding"):
	case match(words, "ip", "nht"), match(words, "ipv6", "nht"):
		// resolve-via-default: the built-in speaker asks the kernel, which does.
	default:
		f.leave(line, hidden(words), "it stays with FRR, if FRR stays")
		f.context = func(more []string, _ int) bool { return !frrTop(more[0]) }
	}
}

// frrTop tells the words that begin something of their own.
func frrTop(word string) bool {
	return slices.Contains([]string{"router", "route-map", "ip", "ipv6", "bfd", "interface", "vrf", "access-list", "line", "hostname"}, word)
}

func (f *frr) router(words []string, line int) {
	n := count(strings.Join(words[2:min(3, len(words))], ""), 4294967295)
	if len(words) > 3 || n == 0 || f.own != 0 {
		f.leave(line, strings.Join(words, " "), "another VRF, view or instance is for an instance of Stentor's own")
		f.context = func(more []string, _ int) bool { return !frrTop(more[0]) }
		return
	}
	f.own = n
	f.context = f.bgpLine
}

// unneeded begins lines of "router bgp" that say what Stentor's speakers do
// anyway, or what is about routes taken in, which they never do.
var unneeded = []string{
	"no bgp ebgp-requires-policy", "no bgp network import-check", "no bgp default ipv4-unicast", "bgp default", "bgp log-neighbor-changes",
	"coalesce-time", "bgp coalesce-time", "bgp bestpath", "bgp deterministic-med", "no bgp suppress-duplicates", "maximum-paths", "no bgp hard-administrative-reset",
	"address-family ipv4 unicast", "address-family ipv6 unicast", "exit-address-family", "no bgp enforce-first-as", "bgp update-delay",
}

func (f *frr) bgpLine(words []string, line int) bool {
	text := strings.Join(words, " ")
	switch {
	case words[0] == "neighbor" && len(words) >= 3:
		f.neighbor(words[1], words[2:], line)
	case words[0] == "no" && len(words) > 2 && words[1] == "neighbor":
		f.leave(line, hidden(words), "it switches off what is off here")
	case words[0] == "network" && len(words) >= 2:
		f.network(words, line)
	case match(words, "bgp", "router-id"):
		f.routerID = node{words: words, line: line}
	case match(words, "timers", "bgp") && len(words) >= 4:
		f.timers.keep, f.timers.hold = int(count(words[2], 65535)), int(count(words[3], 65535))
	case words[0] == "redistribute":
		f.leave(line, text, "Stentor announces VIPs alone: make one of each prefix that shall go out")
	case match(words, "bgp", "graceful-restart"):
		f.leave(line, text, `graceful_restart = "60s" in [bgp] keeps the routes of a host that is dead for so long too`)
	case match(words, "bgp", "graceful-shutdown"):
		f.leave(line, text, "stentor drain asks the peers for that")
	case slices.ContainsFunc(unneeded, func(u string) bool { return text == u || strings.HasPrefix(text, u+" ") }):
	case words[0] == "address-family":
		f.leave(line, text, "IPv4 and IPv6 unicast are all that a VIP needs")
	case frrTop(words[0]):
		return false
	default:
		f.leave(line, hidden(words), "it has no counterpart")
	}
	return true
}

func (f *frr) network(words []string, line int) {
	p, err := netip.ParsePrefix(words[1])
	if err != nil {
		f.leave(line, strings.Join(words, " "), "it is no prefix")
		return
	}
	n := frrNetwork{prefix: p.Masked(), line: line}
	if i := slices.Index(words, "route-map"); i > 0 && i+1 < len(words) {
		n.routes = words[i+1]
	}
	f.networks = append(f.networks, n)
}

func (f *frr) prefixList(words []string, line int) {
	i := slices.Index(words, "permit")
	if i < 0 || i+2 != len(words) {
		f.leave(line, strings.Join(words, " "), "of prefix-lists only permits of one prefix are read")
		return
	}
	p, err := netip.ParsePrefix(words[i+1])
	if err != nil {
		f.leave(line, strings.Join(words, " "), "it is no prefix")
		return
	}
	key := words[0] + " " + words[2]
	f.lists[key] = append(f.lists[key], p.Masked())
}

// bfdLine reads profiles of BFD: their timers are neighbours' later.
func (f *frr) bfdLine(words []string, line int) bool {
	if words[0] == "profile" && len(words) == 2 {
		n := &frrNeighbor{}
		f.profiles[words[1]] = n
		f.context = func(words []string, line int) bool {
			switch {
			case len(words) < 2:
				return frrTop(words[0])
			case words[0] == "transmit-interval":
				n.bfdTX = int(count(words[1], 60000))
			case words[0] == "receive-interval":
				n.bfdRX = int(count(words[1], 60000))
			case words[0] == "detect-multiplier":
				n.bfdMultiply = int(count(words[1], 255))
			case words[0] == "profile":
				return f.bfdLine(words, line)
			default:
				return !frrTop(words[0])
			}
			return true
		}
		return true
	}
	return !frrTop(words[0])
}

func match(words []string, begin ...string) bool {
	return len(words) >= len(begin) && slices.Equal(words[:len(begin)], begin)
}

package migrate

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/stentor-net/stentor/core/draft"
)

// Keepalived reads a keepalived.conf: its vrrp_scripts become checks, and the
// addresses of its vrrp_instances VIPs. Who hears of them over BGP it can't know.
func Keepalived(name string, text []byte) (Converted, error) {
	tree, err := parseTree(name, keepalivedTokens(string(text)))
	if err != nil {
		return Converted{}, err
	}
	k := &keepalived{source: newSource("keepalived", name, ""), checks: map[string]string{}}
	k.doc.Head = append(k.doc.Head, "",
		"keepalived moves addresses by VRRP, within one network. Here they stand on each host, and BGP tells the routers which of them to use: its peers are yours to write.")
	bgp := k.doc.Add("bgp", "Where this host stands: a provider with its region, or an asn and [bgp.peer.NAME] tables.")
	bgp.Example("provider", "linode").Example("region", "eu-central").Example("asn", 65001)
	for _, n := range tree { // wherever they stand, before those who name them
		k.script(n)
	}
	for _, n := range tree {
		k.top(n)
	}
	return k.done(), nil
}

type keepalived struct {
	*source
	checks map[string]string // vrrp_script to check
}

// keepalivedTokens splits at blanks; a line is a statement, # and ! begin
// comments (keepalived.conf(5)).
func keepalivedTokens(text string) []token {
	var all []token
	for i, line := range strings.Split(text, "\n") {
		for _, w := range keepalivedWords(line) {
			switch {
			case !w.quoted && w.text == "{":
				all = append(all, token{w.text, isOpen, i + 1})
			case !w.quoted && w.text == "}":
				all = append(all, token{w.text, isEnd, i + 1}, token{w.text, isClose, i + 1})
			default:
				all = append(all, token{w.text, isWord, i + 1})
			}
		}
		all = append(all, token{"", isEnd, i + 1})
	}
	return all
}

func keepalivedWords(line string) []word {
	var words []word
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		switch {
		case line[0] == '#' || line[0] == '!':
			return words
		case line[0] == '{' || line[0] == '}':
			words = append(words, word{text: line[:1]})
			line = line[1:]
		case line[0] == '"':
			quoted, after, _ := strings.Cut(line[1:], `"`)
			words = append(words, word{quoted, true})
			line = after
		default:
			end := strings.IndexAny(line, " \t\r{}\"#!")
			if end <= 0 {
				end = len(line)
			}
			words = append(words, word{text: line[:end]})
			line = line[end:]
		}
	}
	return words
}

// script turns a vrrp_script into a shared check. Its result counts after one
// run, every second, unless it says otherwise.
func (k *keepalived) script(n node) {
	if !n.is("vrrp_script") {
		return
	}
	var command []string
	interval, timeout, rise, fall := 1.0, 0.0, 1, 1
	user := ""
	var notes []string
	for _, s := range n.body {
		switch s.word(0) {
		case "script":
			for _, w := range splitWords(strings.Join(s.rest(1), " ")) {
				command = append(command, w.text)
			}
		case "interval":
			interval = number(s.word(1), interval)
		case "timeout":
			timeout = number(s.word(1), timeout)
		case "rise":
			rise = int(number(s.word(1), 1))
		case "fall":
			fall = int(number(s.word(1), 1))
		case "user":
			user = s.word(1)
		case "weight":
			if s.word(1) != "0" {
				notes = append(notes, fmt.Sprintf("weight %s: it changed the priority there; here the address is withdrawn when the check is down, and so goes to the other host.", s.word(1)))
			}
		case "init_fail":
			notes = append(notes, `init_fail: a check is "unknown" until it is decided here, and its VIP is not announced.`)
		default:
			k.leave(s.line, s.String(), "no check has that")
		}
	}
	if len(command) == 0 || strings.HasPrefix(command[0], "<") {
		k.leave(n.line, n.String(), "it names no program to run; a tcp check may do what it did")
		return
	}
	check := k.names.Name(n.word(1), "check")
	k.checks[n.word(1)] = check
	t := k.doc.Add("check."+check, notes...)
	t.Set("exec", command)
	every := within(interval, 0.1, 3600)
	t.Set("every", span(every))
	if timeout > 0 {
		t.Set("timeout", span(within(timeout, 0.01, every)))
	} else {
		t.Set("timeout", span(every))
	}
	t.Set("rise", min(max(rise, 1), 100)).Set("fall", min(max(fall, 1), 100))
	if user != "" {
		t.Set("user", user)
	}
}

func (k *keepalived) top(n node) {
	switch n.word(0) {
	case "vrrp_script", "global_defs":
	case "vrrp_instance":
		k.instance(n)
	case "vrrp_sync_group":
		k.leave(n.line, n.String(), "VIPs that shall move together name the same checks")
		k.notify(n)
	case "virtual_server", "virtual_server_group":
		k.leave(n.line, n.String(), "keepalived's load balancing stays with keepalived")
	case "include":
		k.leave(n.line, n.String(), "import that file too")
	default:
		k.leave(n.line, hidden(n.words), "it has no counterpart")
	}
}

// vrrp is what a vrrp_instance says.
type vrrp struct {
	name     string
	state    string
	priority float64
	keeps    bool    // nopreempt
	delay    float64 // of preemption, in seconds
	addrs    []netip.Addr
	checks   []string
	links    []string
}

// vrrpOnly are statements about VRRP itself, which has no part in BGP.
var vrrpOnly = []string{
	"interface", "virtual_router_id", "advert_int", "authentication", "unicast_peer", "unicast_src_ip", "mcast_src_ip", "use_vmac",
	"dont_track_primary", "garp_master_delay", "garp_master_refresh", "version", "accept", "no_accept",
}

// instance turns the addresses of a vrrp_instance into VIPs.
func (k *keepalived) instance(n node) {
	v := vrrp{name: n.word(1), priority: 100}
	for _, s := range n.body {
		switch s.word(0) {
		case "state":
			v.state = s.word(1)
		case "priority":
			v.priority = number(s.word(1), v.priority)
		case "nopreempt":
			v.keeps = true
		case "preempt_delay":
			v.delay = within(number(s.word(1), 0), 0, 3600)
		case "virtual_ipaddress", "virtual_ipaddress_excluded":
			for _, a := range s.body {
				if addr := k.address(a); addr.IsValid() {
					v.addrs = append(v.addrs, addr)
				}
			}
		case "track_script":
			for _, c := range s.body {
				if check, ok := k.checks[c.word(0)]; ok {
					v.checks = append(v.checks, check)
				} else {
					k.leave(c.line, "track_script "+c.word(0), "there is no such vrrp_script in this file that names a program")
				}
			}
		case "track_interface":
			for _, l := range s.body {
				v.links = append(v.links, l.word(0))
			}
		default:
			if !strings.HasPrefix(s.word(0), "notify") && !slices.Contains(vrrpOnly, s.word(0)) {
				k.leave(s.line, hidden(s.words), "it has no counterpart")
			}
		}
	}
	if len(v.addrs) == 0 {
		k.leave(n.line, n.String(), "it has no virtual_ipaddress")
	}
	for _, a := range v.addrs {
		k.vip(v, netip.PrefixFrom(a, a.BitLen()))
	}
	k.notify(n)
}

// role: one that starts as MASTER is the primary; else the priority tells.
func (v vrrp) role() string {
	if strings.EqualFold(v.state, "MASTER") || v.state == "" && v.priority > 100 {
		return "primary"
	}
	return "secondary"
}

func (k *keepalived) vip(v vrrp, prefix netip.Prefix) {
	name := k.names.VIP(prefix)
	if len(v.addrs) == 1 {
		name = k.names.Name(v.name, "vip")
	}
	t := k.doc.Add("vip."+name, fmt.Sprintf("vrrp_instance %s, state %s, priority %v", v.name, v.state, v.priority))
	t.Set("address", prefix.String()).Set("role", v.role())
	if len(v.checks) > 0 {
		t.Set("checks", v.checks)
	}
	checked := len(v.checks)+len(v.links) > 0 // without a check it never is unhealthy
	switch {
	case v.keeps && checked:
		t.Set("preempt", false, "nopreempt")
	case v.keeps:
		t.Notes = append(t.Notes, "nopreempt: with the same role on both hosts, traffic that went over stays there.")
	}
	if v.delay > 0 && checked {
		t.Set("recovery_delay", span(v.delay), "preempt_delay")
	}
	var inner draft.Namer
	for _, link := range v.links {
		k.doc.Add("vip."+name+".check."+inner.Name(link, "link")).Set("interface", link)
	}
}

// address reads a line of virtual_ipaddress. Its length was that of the subnet;
// a VIP is one address.
func (k *keepalived) address(n node) netip.Addr {
	text, _, _ := strings.Cut(n.word(0), "/")
	a, err := netip.ParseAddr(text)
	if err != nil || !a.IsGlobalUnicast() || a.Zone() != "" || a.Is4In6() {
		k.leave(n.line, n.String(), "it is no address that a VIP can have")
		return netip.Addr{}
	}
	return a
}

// notify offers hooks for the scripts that are told of changes. They are
// commented out: such scripts often did what Stentor does now.
func (k *keepalived) notify(n node) {
	states := map[string][]string{
		"notify": nil, "notify_master": {"vip.announced"}, "notify_backup": {"vip.demoted", "vip.drained", "vip.pending"},
		"notify_fault": {"vip.withdrawn", "vip.failed"}, "notify_stop": {"daemon.stopped"},
	}
	for _, s := range n.body {
		on, known := states[s.word(0)]
		if !known {
			if strings.HasPrefix(s.word(0), "notify") {
				k.leave(s.line, s.String(), "[hook.NAME] in the reference says what a hook can be told of")
			}
			continue
		}
		var command []string
		for _, w := range splitWords(strings.Join(s.rest(1), " ")) {
			command = append(command, w.text)
		}
		t := k.doc.Add("hook."+k.names.Name(s.word(0)+"-"+n.word(1), "hook"),
			fmt.Sprintf("%s of %s, line %d. Take the # away if the script does more than Stentor does now; it runs with the daemon's rights.", s.word(0), n.word(1), s.line))
		t.Off = true
		t.Set("exec", command)
		if on == nil {
			t.Set("style", "keepalived")
		} else {
			t.Set("on", on)
		}
	}
}

// number reads a decimal number, which keepalived takes for times too.
func number(text string, otherwise float64) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n != n || n < 0 || n > 1e6 {
		return otherwise
	}
	return n
}

func within(n, low, high float64) float64 { return min(max(n, low), high) }

// span writes seconds as the config has them.
func span(seconds float64) string {
	if seconds == float64(int(seconds)) {
		return strconv.Itoa(int(seconds)) + "s"
	}
	return strconv.Itoa(int(seconds*1000)) + "ms"
}

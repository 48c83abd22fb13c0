package firewall

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// The packets of a session with BFD, between this host and a peer behind eth0.
var packets = map[string]Packet{
	"dial":  {Hook: Output, Protocol: "tcp", Source: ip("192.0.2.7"), Target: ip("192.0.2.1"), TargetPort: 179, Link: "eth0"},
	"reply": {Hook: Input, Protocol: "tcp", Source: ip("192.0.2.1"), Target: ip("192.0.2.7"), SourcePort: 179, Link: "eth0", Established: true},
	"bfd":   {Hook: Input, Protocol: "udp", Source: ip("192.0.2.1"), Target: ip("192.0.2.7"), TargetPort: 3784, Link: "eth0"},
	"dial6": {Hook: Output, Protocol: "tcp", Source: ip("2001:db8::7"), Target: ip("2001:db8::1"), TargetPort: 179, Link: "eth0"},
	"bfd6":  {Hook: Input, Protocol: "udp", Source: ip("2001:db8::1"), Target: ip("2001:db8::7"), TargetPort: 4784, Link: "eth0"},
}

// drops lists the packets that are dropped, with what drops them.
func drops(r Ruleset) string {
	var all []string
	for _, name := range []string{"dial", "reply", "bfd", "dial6", "bfd6"} {
		if by, dropped := r.Drops(packets[name]); dropped {
			all = append(all, fmt.Sprintf("%s by %s", name, by))
		}
	}
	return strings.Join(all, "; ")
}

const ufw = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-before-input - [0:0]
:ufw-logging-deny - [0:0]
:ufw-not-local - [0:0]
:ufw-user-input - [0:0]
-A INPUT -j ufw-before-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j ufw-logging-deny
-A ufw-not-local -j DROP
-A ufw-user-input -p tcp -m tcp --dport 22 -m comment --comment "ssh \"here\" -j ACCEPT" -j ACCEPT
%s
COMMIT
`

func TestIPTables(t *testing.T) {
	filter := func(policies string, rules ...string) string {
		in, out, _ := strings.Cut(policies, " ")
		return "*nat\n:INPUT DROP [0:0]\nCOMMIT\n*filter\n:INPUT " + in + " [0:0]\n:OUTPUT " + out + " [0:0]\n:DOCKER - [0:0]\n" + strings.Join(rules, "\n") + "\nCOMMIT\n"
	}
	for name, tt := range map[string]struct {
		rules string
		want  string
	}{
		"nothing":                 {"", ""},
		"open":                    {filter("ACCEPT ACCEPT"), ""},
		"closed":                  {filter("DROP DROP"), "dial by iptables filter OUTPUT; reply by iptables filter INPUT; bfd by iptables filter INPUT"},
		"ufw":                     {fmt.Sprintf(ufw, ""), "bfd by iptables filter INPUT"},
		"ufw with the port":       {fmt.Sprintf(ufw, "-A ufw-user-input -s 192.0.2.1/32 -p udp -m udp --dport 3784 -j ACCEPT"), ""},
		"ufw with another port":   {fmt.Sprintf(ufw, "-A ufw-user-input -p udp -m multiport --dports 53,4000:5000 -j ACCEPT"), "bfd by iptables filter INPUT"},
		"ufw with a list":         {fmt.Sprintf(ufw, "-A ufw-user-input -p udp -m multiport --dports 53,3000:4000 -j ACCEPT"), ""},
		"out by name":             {filter("ACCEPT ACCEPT", "-A OUTPUT -o eth+ -p tcp -m tcp --dport 179 -j REJECT --reject-with tcp-reset"), "dial by iptables filter OUTPUT"},
		"out by another name":     {filter("ACCEPT ACCEPT", "-A OUTPUT ! -o eth0 -p tcp -m tcp --dport 179 -j DROP"), ""},
		"all but one address":     {filter("ACCEPT ACCEPT", "-A OUTPUT ! -d 192.0.2.1/32 -j DROP", "-A INPUT -s 192.0.2.0/24 -j DROP"), "reply by iptables filter INPUT; bfd by iptables filter INPUT"},
		"what can't be known":     {filter("ACCEPT ACCEPT", "-A INPUT -m set --match-set bad src -j DROP", "-A OUTPUT -m owner --uid-owner 0 -j DROP"), ""},
		"may be let through":      {filter("DROP DROP", "-A INPUT -m set --match-set good src -j ACCEPT", "-A OUTPUT -m owner ! --uid-owner 7 -j ACCEPT"), ""},
		"a chain called as a log": {filter("ACCEPT ACCEPT", "-A DOCKER -j DROP", "-A INPUT -j DOCKER"), "reply by iptables filter INPUT; bfd by iptables filter INPUT"},
		"goto comes back no more": {filter("DROP ACCEPT", "-A INPUT -g DOCKER", "-A INPUT -j ACCEPT"), "reply by iptables filter INPUT; bfd by iptables filter INPUT"},
		"return goes on":          {filter("DROP ACCEPT", "-A DOCKER -p udp -j RETURN", "-A DOCKER -j DROP", "-A INPUT -j DOCKER", "-A INPUT -j ACCEPT"), "reply by iptables filter INPUT"},
		"to user space":           {filter("DROP ACCEPT", "-A INPUT -j NFQUEUE --queue-num 0"), ""},
		"chains in a circle":      {filter("DROP ACCEPT", "-A DOCKER -j DOCKER", "-A INPUT -j DOCKER"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := drops(Parse(nil, tt.rules, "")); got != tt.want {
				t.Errorf("drops %q\nwant  %q", got, tt.want)
			}
		})
	}
	if got, want := drops(Parse(nil, "", filter("DROP DROP"))), "dial6 by ip6tables filter OUTPUT; bfd6 by ip6tables filter INPUT"; got != want {
		t.Errorf("IPv6: drops %q, want %q", got, want)
	}
}

// nftRules makes the document of nft of rules in chains of inet filter.
func nftRules(input, output string, rules ...string) string {
	all := []string{`{"metainfo": {"version": "1.0.6", "json_schema_version": 1}}`, `{"table": {"family": "inet", "name": "filter", "handle": 1}}`,
		`{"chain": {"family": "inet", "table": "filter", "name": "in", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "` + input + `"}}`,
		`{"chain": {"family": "inet", "table": "filter", "name": "out", "handle": 2, "type": "filter", "hook": "output", "prio": 0, "policy": "` + output + `"}}`,
		`{"chain": {"family": "inet", "table": "filter", "name": "more", "handle": 3}}`,
		`{"set": {"family": "inet", "name": "peers", "table": "filter", "type": "ipv4_addr", "handle": 4, "flags": ["interval"], "elem": ["192.0.2.9", {"prefix": {"addr": "192.0.2.0", "len": 29}}]}}`}
	for _, r := range rules {
		chain, expr, _ := strings.Cut(r, " ")
		all = append(all, `{"rule": {"family": "inet", "table": "filter", "chain": "`+chain+`", "handle": 9, "expr": [`+expr+`]}}`)
	}
	return `{"nftables": [` + strings.Join(all, ",") + `]}`
}

func TestNFT(t *testing.T) {
	const (
		established = `in {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}, {"accept": null}`
		byMap       = `in {"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["invalid", {"drop": null}], ["established", {"accept": null}], ["related", {"accept": null}]]}}}`
		port        = `{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": {"set": [53, {"range": [3784, 3785]}]}}}`
		allBFD      = "bfd by inet filter in; bfd6 by inet filter in"
	)
	for name, tt := range map[string]struct {
		rules string
		want  string
	}{
		"open":              {nftRules("accept", "accept"), ""},
		"closed":            {nftRules("drop", "drop"), "dial by inet filter out; reply by inet filter in; bfd by inet filter in; dial6 by inet filter out; bfd6 by inet filter in"},
		"the usual one":     {nftRules("drop", "accept", established, `in {"counter": {"packets": 0, "bytes": 0}}, {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}, {"accept": null}`), allBFD},
		"by a map":          {nftRules("drop", "accept", byMap), allBFD},
		"with a set":        {nftRules("drop", "accept", established, "in "+port+`, {"accept": null}`), "bfd6 by inet filter in"},
		"with a named set":  {nftRules("drop", "accept", established, `in {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@peers"}}, {"accept": null}`), "bfd6 by inet filter in"},
		"not from the set":  {nftRules("accept", "accept", `in {"match": {"op": "!=", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@peers"}}, {"drop": null}`), ""},
		"firewalld":         {nftRules("accept", "accept", established, `in {"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}}, {"accept": null}`, `in {"jump": {"target": "more"}}`, `in {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}`, `more {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": {"set": ["icmp", "ipv6-icmp"]}}}, {"accept": null}`), allBFD},
		"xt may let it":     {nftRules("drop", "accept", established, `in {"xt": {"type": "match", "name": "set"}}, {"accept": null}`), ""},
		"a limit may":       {nftRules("accept", "accept", `in {"limit": {"rate": 3, "per": "minute"}}, {"drop": null}`), ""},
		"two ports at once": {nftRules("drop", "accept", established, `in {"match": {"op": "==", "left": {"concat": [{"payload": {"protocol": "ip", "field": "saddr"}}]}, "right": "@x"}}, {"accept": null}`), ""},
		"a map of chains":   {nftRules("accept", "accept", `in {"vmap": {"key": {"meta": {"key": "iifname"}}, "data": {"set": [["eth0", {"jump": {"target": "more"}}]]}}}`, `more {"drop": null}`), "reply by inet filter in; " + allBFD},
		"a map in a set":    {nftRules("accept", "accept", `in {"vmap": {"key": {"meta": {"key": "iifname"}}, "data": "@zones"}}`), ""},
		"IPv4 alone":        {nftRules("accept", "accept", `out {"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": "ipv4"}}, {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 179}}, {"reject": null}`), "dial by inet filter out"},
		"by a number":       {nftRules("accept", "accept", `out {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": 6}}, {"drop": null}`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := drops(Parse([]byte(tt.rules), "", "")); got != tt.want {
				t.Errorf("drops %q\nwant  %q", got, tt.want)
			}
		})
	}
}

// FuzzNFT: no text makes it panic or go round for ever.
func FuzzNFT(f *testing.F) {
	f.Add([]byte(nftRules("drop", "drop", `in {"jump": {"target": "in"}}`, `out {"vmap": {"key": 1, "data": {"set": [[1, {"goto": {"target": "out"}}]]}}}`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		drops(Parse(text, "", ""))
	})
}

// FuzzIPTables: the same.
func FuzzIPTables(f *testing.F) {
	f.Add(fmt.Sprintf(ufw, "-A INPUT -g INPUT"))
	f.Fuzz(func(t *testing.T, text string) {
		drops(Parse(nil, text, text))
	})
}

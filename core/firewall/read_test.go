package firewall

import (
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stentor-net/stentor/core/host/hosttest"
)

// TestRead has the kernel and its own programs say what they were told.
func TestRead(t *testing.T) {
	for _, program := range []string{"nft", "iptables", "ip6tables"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs the packages nftables and iptables: " + err.Error())
		}
	}
	for name, tt := range map[string]struct {
		script string // for sh, within the namespace
		want   string
	}{
		"nothing": {"", ""},
		"nft": {`nft -f - <<E
table inet guard {
	set peers { type ipv4_addr; flags interval; elements = { 192.0.2.0/30, 198.51.100.1 } }
	chain more { udp dport { 53, 4000-5000 } accept; }
	chain input {
		type filter hook input priority 0; policy drop;
		ct state vmap { established : accept, related : accept, invalid : drop }
		iifname "lo" accept
		meta l4proto ipv6-icmp accept
		ip saddr @peers udp dport 3784 counter accept
		limit rate 3/minute log prefix "no: "
		meta nfproto ipv4 jump more
	}
	chain output { type filter hook output priority 0; tcp dport 170-180 oifname "eth*" ip6 daddr 2001:db8::/32 reject with tcp reset; }
}
E`, "dial6 by inet guard output; bfd6 by inet guard input"},
		"iptables": {`iptables -P INPUT DROP
iptables -N mine
iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A INPUT -m limit --limit 3/min -j LOG --log-prefix "in: "
iptables -A INPUT -i eth+ -j mine
iptables -A mine -p udp -m multiport --dports 53,67 -m comment --comment 'a "b" -j ACCEPT' -j ACCEPT
ip6tables -A OUTPUT -p tcp ! -d 2001:db8:1::/48 --dport 179 -j REJECT`, "bfd by iptables filter INPUT; dial6 by ip6tables filter OUTPUT"},
	} {
		t.Run(name, func(t *testing.T) {
			ns := hosttest.New(t)
			ns.Do(func() {
				cmd := exec.Command("sh", "-e", "-c", tt.script)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				got := drops(Read(t.Context(), os.DirFS("/")))
				for end := time.Now().Add(20 * time.Second); got != tt.want && time.Now().Before(end); { // each look waits readTime at most
					got = drops(Read(t.Context(), os.DirFS("/")))
				}
				if got != tt.want {
					rules, _ := exec.Command("sh", "-c", "nft -j list ruleset; iptables-save; ip6tables-save").CombinedOutput()
					t.Errorf("drops %q\nwant  %q\n%s", got, tt.want, rules)
				}
			})
		})
	}
}

// TestNotLoaded: asking would load a module, so nobody is asked.
func TestNotLoaded(t *testing.T) {
	if !kernelHas(fstest.MapFS{"sys/module/nf_tables/initstate": {}}, "nf_tables") {
		t.Error("a module that is loaded is not seen")
	}
	release := map[string]bool{"": false, "kernel/net/netfilter/nf_tables.ko\n": true}
	for builtin, want := range release {
		root := fstest.MapFS{"proc/sys/kernel/osrelease": {Data: []byte("6.1.0\n")}, "lib/modules/6.1.0/modules.builtin": {Data: []byte(builtin)}}
		if got := kernelHas(root, "nf_tables"); got != want {
			t.Errorf("with %q built in: %v", strings.TrimSpace(builtin), got)
		}
	}
	if _, dropped := Read(t.Context(), fstest.MapFS{}).Drops(Packet{Hook: Input, Target: netip.MustParseAddr("192.0.2.1")}); dropped {
		t.Error("a host that is not known to have rules drops something")
	}
}

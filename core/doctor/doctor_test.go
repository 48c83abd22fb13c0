package doctor

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/plugins"
)

func TestCheck(t *testing.T) {
	tests := []struct {
		name string
		harm func(f *fixture)
		want []string // "CODE SEVERITY OBJECT: MESSAGE | HINT"
	}{
		{name: "healthy", harm: func(*fixture) {}},
		{
			name: "lo down",
			harm: func(f *fixture) { f.link("lo", func(l *host.Link) { l.Up, l.Why = false, "lo is down" }) },
			want: []string{"link-down problem link lo: lo is down, so it can't serve dns (2001:db8:99::10), web (203.0.113.10) | ip link set lo up"},
		},
		{
			name: "no carrier, and many VIPs",
			harm: func(f *fixture) {
				f.link("d0", func(l *host.Link) { l.Why = "d0 has no carrier" })
				f.config.VIPs = nil
				f.view.Addrs = map[netip.Addr][]host.Addr{}
				f.put("192.0.2.7/24", "eth0")
				for i := range 5 {
					f.config.VIPs = append(f.config.VIPs, config.VIP{Name: fmt.Sprint("v", i), Addr: ip(fmt.Sprint("198.18.0.", i)), Link: "d0"})
				}
			},
			want: []string{"link-down problem link d0: d0 has no carrier, so it can't serve v0 (198.18.0.0), v1 (198.18.0.1), v2 (198.18.0.2) and 2 more | " +
				"mend what d0 is plugged into, or put the addresses on lo, which needs no carrier"},
		},
		{
			name: "no such link",
			harm: func(f *fixture) { f.config.VIPs[1].Link = "dummy0"; f.take("203.0.113.10") },
			want: []string{"link-missing problem link dummy0: there is no link dummy0 for web (203.0.113.10) | " +
				"make it, as with \"ip link add dummy0 type dummy\", or name another link in the config"},
		},
		{
			name: "IPv6 disabled",
			harm: func(f *fixture) { f.sysctls["net/ipv6/conf/lo/disable_ipv6"] = "1" },
			want: []string{"ipv6-disabled problem link lo: IPv6 is disabled on lo, which dns (2001:db8:99::10) needs | " +
				"sysctl -w net.ipv6.conf.lo.disable_ipv6=0, and the same in /etc/sysctl.d; Stentor never sets it silently"},
		},
		{
			name: "kernel without IPv6",
			harm: func(f *fixture) {
				for k := range f.sysctls {
					if strings.HasPrefix(k, "net/ipv6") {
						delete(f.sysctls, k)
					}
				}
			},
			want: []string{"no-ipv6 problem link lo: lo has no IPv6, which dns (2001:db8:99::10) needs | " +
				"boot without ipv6.disable=1 and load the module ipv6; a link's MTU has to be 1280 at least (RFC 8200 §5)"},
		},
		{
			name: "strict reverse path filter",
			harm: func(f *fixture) { f.sysctls["net/ipv4/conf/eth0/rp_filter"] = "1" },
			want: []string{"rp-filter warning link eth0: eth0 drops IPv4 packets whose answer would leave by another link (rp_filter=1, strict) | " +
				"if such packets may come: sysctl -w net.ipv4.conf.eth0.rp_filter=2, and the same in /etc/sysctl.d; Stentor never sets it silently"},
		},
		{
			name: "strict for all links, loose for one",
			harm: func(f *fixture) {
				f.sysctls["net/ipv4/conf/all/rp_filter"] = "1"
				f.sysctls["net/ipv4/conf/eth0/rp_filter"] = "2"
			},
			want: []string{"rp-filter warning link eth1: eth1 drops IPv4 packets whose answer would leave by another link (rp_filter=1, strict) | " +
				"if such packets may come: sysctl -w net.ipv4.conf.eth1.rp_filter=2, and the same in /etc/sysctl.d; Stentor never sets it silently"},
		},
		{
			name: "strict on a link whose name has a dot",
			harm: func(f *fixture) {
				f.link("eth0.100", func(l *host.Link) { l.Index, l.Up = 4, true })
				f.put("198.18.1.1/24", "eth0.100")
			},
			want: []string{"rp-filter warning link eth0.100: eth0.100 drops IPv4 packets whose answer would leave by another link (rp_filter=1, strict) | " +
				"if such packets may come: sysctl -w net/ipv4/conf/eth0.100/rp_filter=2, and the same in /etc/sysctl.d; Stentor never sets it silently"},
		},
		{
			name: "strict, but one link alone",
			harm: func(f *fixture) {
				f.sysctls["net/ipv4/conf/all/rp_filter"] = "1"
				f.take("198.51.100.7")
			},
		},
		{
			name: "strict, but IPv6 alone",
			harm: func(f *fixture) {
				f.sysctls["net/ipv4/conf/all/rp_filter"] = "1"
				f.config.VIPs = f.config.VIPs[:1]
			},
		},
		{
			name: "ARP for a routed VIP",
			harm: func(f *fixture) { f.sysctls["net/ipv4/conf/all/arp_ignore"] = "0"; f.take("198.51.100.7") },
			want: []string{"arp-ignore note link eth0: every host that holds web (203.0.113.10) answers ARP for it on eth0 (arp_ignore=0) | " +
				"if the other host is on this LAN: sysctl -w net.ipv4.conf.eth0.arp_ignore=1, and the same in /etc/sysctl.d; Stentor never sets it silently"},
		},
		{
			name: "ARP for a VIP of the subnet",
			harm: func(f *fixture) {
				f.sysctls["net/ipv4/conf/all/arp_ignore"] = "0"
				f.take("198.51.100.7")
				f.take("203.0.113.10")
				f.config.VIPs[1].Addr = ip("192.0.2.99")
			},
			want: []string{"arp-ignore warning link eth0: web (192.0.2.99) lies in a subnet of eth0, and every host that holds it answers ARP there (arp_ignore=0) | " +
				"if the other host is on this LAN: sysctl -w net.ipv4.conf.eth0.arp_ignore=1, and the same in /etc/sysctl.d; Stentor never sets it silently"},
		},
		{
			name: "needless sysctls",
			harm: func(f *fixture) {
				f.sysctls["net/ipv4/ip_nonlocal_bind"] = "1"
				f.sysctls["net/ipv4/conf/eth1/accept_local"] = "1"
			},
			want: []string{
				"accept-local note link eth1: accept_local is on and not needed: eth1 takes packets that claim to come from this host's own addresses | " +
					"leave it, or sysctl -w net.ipv4.conf.all.accept_local=0 net.ipv4.conf.eth1.accept_local=0, and the same in /etc/sysctl.d; Stentor never sets it silently",
				"nonlocal-bind note sysctl net.ipv4.ip_nonlocal_bind: it is not needed: services can bind shared IPs, as this host holds them all the time | " +
					"leave it, or sysctl -w net.ipv4.ip_nonlocal_bind=0, and the same in /etc/sysctl.d; Stentor never sets it silently",
			},
		},
		{
			name: "on another link",
			harm: func(f *fixture) { f.take("203.0.113.10"); f.put("203.0.113.10/32", "eth1") },
			want: []string{"wrong-link warning vip web: 203.0.113.10 stands on eth1, the config says lo | " +
				"ip address del 203.0.113.10/32 dev eth1, and take it out of what put it there"},
		},
		{
			name: "the uplink's own address",
			harm: func(f *fixture) { f.take("203.0.113.10"); f.put("203.0.113.10/24", "eth0").Dynamic = true },
			want: []string{
				"dynamic-address warning vip web: 203.0.113.10 has a lifetime on eth0: DHCP or a router advertisement gave it, and may take it away | share an address that belongs to no host",
				"own-address warning vip web: 203.0.113.10 is eth0's own address in 203.0.113.0/24, and will not move to another host with its route | share an address that belongs to no host",
				"wrong-link warning vip web: 203.0.113.10 stands on the uplink eth0, the config says lo | ip address del 203.0.113.10/24 dev eth0, and take it out of what put it there",
			},
		},
		{
			name: "the uplink as its link",
			harm: func(f *fixture) {
				f.config.VIPs[1].Link = "eth0"
				f.take("203.0.113.10")
				f.put("203.0.113.10/32", "eth0")
			},
			want: []string{"link-is-uplink warning vip web: its link eth0 is the uplink: every host that holds it answers neighbours there, and IPv6 may find a duplicate | " +
				"set link = \"lo\" in [vip.web]"},
		},
		{
			name: "a /64 on lo",
			harm: func(f *fixture) { f.take("2001:db8:99::10"); f.put("2001:db8:99::10/64", "lo") },
			want: []string{"wide-prefix warning vip dns: 2001:db8:99::10/64 on lo makes all of 2001:db8:99::/64 this host's own: it reaches none of it through the network | " +
				"replace it by 2001:db8:99::10/128; what is announced does not depend on it"},
		},
		{
			name: "a /64 on lo, by a file that the backend knows",
			harm: func(f *fixture) {
				f.take("2001:db8:99::10")
				f.put("2001:db8:99::10/64", "lo")
				f.stack = []plugins.Finding{{Severity: plugins.SeverityWarning, Object: "vip dns", Path: "/etc/netplan/1.yaml", Line: 9, Hint: "write /128",
					Message: "2001:db8:99::10/64 on lo makes all of 2001:db8:99::/64 this host's own: it reaches none of it through the network"}}
			},
			want: []string{"stack warning vip dns: /etc/netplan/1.yaml:9: 2001:db8:99::10/64 on lo makes all of 2001:db8:99::/64 this host's own: it reaches none of it through the network | write /128"},
		},
		{
			name: "a duplicate",
			harm: func(f *fixture) { f.view.Addrs[ip("2001:db8:99::10")][0].Usable = false },
			want: []string{"duplicate-address problem vip dns: 2001:db8:99::10 on lo is tentative or a duplicate (RFC 4862 §5.4) | " +
				"ip address del 2001:db8:99::10/128 dev lo, and take it out of what put it there"},
		},
		{
			name: "copies in the files of others",
			harm: func(f *fixture) {
				f.files["etc/netplan/50-cloud-init.yaml"] = &fstest.MapFile{Data: []byte("network:\n  ethernets:\n    lo:\n      addresses: [203.0.113.10/32, \"2001:DB8:99:0::10/128\"]\n")}
				f.files["etc/netplan/60-ours.yaml"] = &fstest.MapFile{Data: []byte("# written by Stentor\naddresses: [203.0.113.10/32]\n")}
				f.files["etc/network/interfaces.d/stentor"] = &fstest.MapFile{Data: []byte("\n  up ip addr replace 203.0.113.10/32 dev lo\n")}
				f.files["etc/keepalived/keepalived.conf"] = &fstest.MapFile{Data: []byte("virtual_ipaddress {\n  ! 203.0.113.10\n  # 203.0.113.10\n  203.0.113.10\n 203.0.113.100\n}\n")}
				f.files["etc/motd"] = &fstest.MapFile{Data: []byte("203.0.113.10\n")}
			},
			want: []string{
				"second-owner warning vip dns: /etc/netplan/50-cloud-init.yaml:4: 2001:db8:99::10 stands here too | take it out, so that one tool alone looks after it",
				"second-owner warning vip web: /etc/keepalived/keepalived.conf:4: keepalived adds and removes 203.0.113.10 as well, by VRRP | take it out, so that one tool alone looks after it",
				"second-owner warning vip web: /etc/netplan/50-cloud-init.yaml:4: 203.0.113.10 stands here too | take it out, so that one tool alone looks after it",
			},
		},
		{
			name: "what the backend says of a file goes before",
			harm: func(f *fixture) {
				f.files["etc/netplan/1.yaml"] = &fstest.MapFile{Data: []byte("a: [203.0.113.10/32]\nb: \"2001:db8:99::10/128\"\n")}
				f.files["etc/netplan/2.yaml"] = &fstest.MapFile{Data: []byte("a: [203.0.113.10/32]\n")}
				f.stack = []plugins.Finding{
					{Severity: plugins.SeverityNote, Object: "vip web", Path: "/etc/netplan/1.yaml", Line: 1, Message: "it is used there", Hint: "be glad"},
					{Severity: plugins.SeverityProblem, Object: "stack", Path: "/etc/stack", Message: "it is broken", Hint: "mend it"},
				}
			},
			want: []string{
				"stack problem stack: /etc/stack: it is broken | mend it",
				"second-owner warning vip dns: /etc/netplan/1.yaml:2: 2001:db8:99::10 stands here too | take it out, so that one tool alone looks after it",
				"second-owner warning vip web: /etc/netplan/2.yaml:1: 203.0.113.10 stands here too | take it out, so that one tool alone looks after it",
				"stack note vip web: /etc/netplan/1.yaml:1: it is used there | be glad",
			},
		},
		{
			name: "lelastic beside us",
			harm: func(f *fixture) {
				f.files["proc/1/comm"] = &fstest.MapFile{Data: []byte("systemd\n")}
				f.files["proc/77/comm"] = &fstest.MapFile{Data: []byte("lelastic\n")}
			},
			want: []string{"lelastic warning lelastic: lelastic runs beside Stentor (process 77): it announces shared IPs by itself, and whatever any local user gives it on 127.0.0.1:50051 | " +
				"before stentor run: systemctl disable --now lelastic"},
		},
		{
			name: "stentor by lelastic's name",
			harm: func(f *fixture) {
				f.files["proc/77/comm"] = &fstest.MapFile{Data: []byte("lelastic\n")}
				f.files["proc/77/exe"] = &fstest.MapFile{Data: []byte("/usr/bin/stentor"), Mode: fs.ModeSymlink | 0o777}
			},
			want: []string{"lelastic warning lelastic: lelastic runs beside Stentor (process 77): it announces shared IPs by itself | before stentor run: systemctl disable --now lelastic"},
		},
		{
			name: "no route",
			harm: func(f *fixture) { delete(f.routes, "192.0.2.1") },
			want: []string{"no-route problem peer tor4: no route to 192.0.2.1 | add a route to it; \"ip route get 192.0.2.1\" says what the kernel thinks"},
		},
		{
			name: "no route as IPv6 is off",
			harm: func(f *fixture) {
				delete(f.routes, "2001:db8::1")
				f.sysctls["net/ipv6/conf/all/disable_ipv6"] = "1"
			},
			want: []string{"no-route problem peer tor6: no route to 2001:db8::1: IPv6 is disabled on this host | " +
				"sysctl -w net.ipv6.conf.all.disable_ipv6=0, and the same in /etc/sysctl.d; Stentor never sets it silently"},
		},
		{
			name: "the way ends on lo",
			harm: func(f *fixture) { f.routes["192.0.2.1"] = host.Route{Link: "lo", Source: ip("192.0.2.7")} },
			want: []string{"peer-is-local problem peer tor4: the way to 192.0.2.1 ends on this host (lo): it is the host's own address, or lies in a prefix on lo | " +
				"give addresses on lo the length /32 or /128, and check the peer's address"},
		},
		{
			name: "behind a gateway with TTL 1",
			harm: func(f *fixture) { f.config.BGP.Peers[1].TTL = 1 },
			want: []string{"ttl warning peer tor6: 2001:db8::1 is behind the gateway fe80::1, but packets to it leave with a TTL for neighbours only | " +
				"set ttl in [bgp.peer.tor6] to 2 or more (multihop)"},
		},
		{
			name: "iBGP has no such limit",
			harm: func(f *fixture) { f.config.BGP.Peers[1].TTL, f.config.BGP.Peers[1].ASN = 0, 65001 },
		},
		{
			name: "shared source",
			harm: func(f *fixture) { f.routes["192.0.2.1"] = host.Route{Link: "eth0", Source: ip("203.0.113.10")} },
			want: []string{"session-source-shared problem peer tor4: the session would come from 203.0.113.10, the shared IP of vip web | " +
				"give eth0 an address of its own, or name one as local_address in [bgp.peer.tor4]"},
		},
		{
			name: "shared local address",
			harm: func(f *fixture) { f.config.BGP.Peers[0].LocalAddr = ip("203.0.113.10") },
			want: []string{"session-source-shared problem peer tor4: the session would come from 203.0.113.10, the shared IP of vip web | " +
				"name an address of this host alone as local_address in [bgp.peer.tor4]"},
		},
		{
			name: "local address of another host",
			harm: func(f *fixture) { f.config.BGP.Peers[0].LocalAddr = ip("192.0.2.8") },
			want: []string{"local-address problem peer tor4: its local address can't be used: 192.0.2.8 is not on this host | " +
				"name an address of this host alone as local_address in [bgp.peer.tor4]"},
		},
		{
			name: "good local address where the kernel would choose a shared one",
			harm: func(f *fixture) {
				f.config.BGP.Peers[0].LocalAddr = ip("192.0.2.7")
				f.routes["192.0.2.1"] = host.Route{Link: "eth0", Source: ip("203.0.113.10")}
			},
		},
		{
			name: "link-local source only",
			harm: func(f *fixture) {
				f.routes["2001:db8::1"] = host.Route{Link: "eth0", Source: ip("fe80::7")}
			},
			want: []string{"link-local-source problem peer tor6: towards 2001:db8::1 this host has only the link-local address fe80::7, no global IPv6 address | " +
				"give eth0 an address of its own, or name one as local_address in [bgp.peer.tor6]"},
		},
		{
			name: "link-local source for a link-local peer",
			harm: func(f *fixture) {
				f.config.BGP.Peers[1].Addr = ip("fe80::1%eth0")
				f.routes["fe80::1%eth0"] = host.Route{Link: "eth0", Source: ip("fe80::7")}
			},
		},
		{
			name: "no source",
			harm: func(f *fixture) { f.routes["2001:db8::1"] = host.Route{Link: "eth0"} },
			want: []string{"no-source warning peer tor6: the kernel knows no source address towards 2001:db8::1 | " +
				"give eth0 an address of its own, or name one as local_address in [bgp.peer.tor6]"},
		},
		{
			name: "nothing to derive a router ID from",
			harm: func(f *fixture) { f.take("192.0.2.7"); f.take("198.51.100.7"); f.put("203.0.113.10/32", "eth0") },
			want: []string{
				"wrong-link warning vip web: 203.0.113.10 stands on the uplink eth0, the config says lo | ip address del 203.0.113.10/32 dev eth0, and take it out of what put it there",
				"router-id-derived note router_id: this host has no IPv4 address of its own: the BGP Identifier is made of its machine id and hardware addresses | " +
					"set router_id in [bgp] to an IPv4 address that no other host uses, if you want to recognise it; it need not be on this host",
			},
		},
		{
			name: "router ID from the config",
			harm: func(f *fixture) {
				f.take("192.0.2.7")
				f.take("198.51.100.7")
				f.config.BGP.RouterID = ip("10.0.0.1")
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := healthy()
			tt.harm(f)
			if d := cmp.Diff(tt.want, f.findings()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestWorstFirst(t *testing.T) {
	f := healthy()
	f.sysctls["net/ipv4/ip_nonlocal_bind"] = "1"
	f.sysctls["net/ipv4/conf/eth0/rp_filter"] = "1"
	delete(f.routes, "192.0.2.1")
	var got []Severity
	for _, x := range Check(f.input()) {
		got = append(got, x.Severity)
	}
	if d := cmp.Diff([]Severity{Problem, Warning, Note}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestJSON(t *testing.T) {
	for _, tt := range []struct {
		finding Finding
		want    string
	}{
		{Finding{"c", Problem, "vip web", "m", "h", "", 0}, `{"code":"c","severity":"problem","object":"vip web","message":"m","hint":"h"}`},
		{Finding{"c", Problem, "vip web", "m", "h", "/f", 3}, `{"code":"c","severity":"problem","object":"vip web","message":"m","hint":"h","path":"/f","line":3}`},
	} {
		if b, err := json.Marshal(tt.finding); err != nil || string(b) != tt.want {
			t.Errorf("%s, %v; want %s", b, err, tt.want)
		}
	}
}

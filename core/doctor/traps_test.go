package doctor

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/firewall"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/survey"
	"github.com/stentor-net/stentor/plugins"
)

const silently = ", and the same in /etc/sysctl.d; Stentor never sets it silently"

// linode makes the fixture one of Linode's hosts, in Atlanta.
func (f *fixture) linode(said survey.Facts) {
	f.config.BGP.Provider, f.cloud = "linode", said
	f.config.BGP.Peers = []plugins.Peer{{Name: "rs1", Addr: ip("2600:3c0f:4:34::1"), ASN: 65000, Hold: 9 * time.Second, TTL: 16}}
	f.routes["2600:3c0f:4:34::1"] = host.Route{Link: "eth0", Gateway: ip("fe80::1"), Source: ip("2001:db8::7")}
}

func TestTraps(t *testing.T) {
	tests := []struct {
		name string
		harm func(f *fixture)
		want []string // "CODE SEVERITY OBJECT: MESSAGE | HINT"
	}{
		// Links and parameters.
		{
			name: "a VIP of the subnet, and ARP questions in its name",
			harm: func(f *fixture) {
				f.sysctls["net/ipv4/conf/all/arp_announce"] = "0"
				f.take("203.0.113.10")
				f.config.VIPs[1].Addr = ip("192.0.2.99")
			},
			want: []string{
				"arp-announce warning link eth0: this host asks ARP on eth0 in the name of web (192.0.2.99), and neighbours send to it from then on (arp_announce is not 2) | " +
					"if the other host is on this LAN: sysctl -w net.ipv4.conf.eth0.arp_announce=2" + silently,
				"on-link warning vip web: 192.0.2.99 lies in 192.0.2.0/24, the subnet of eth0: hosts there look for it among their neighbours, where none answers, and need the route instead | " +
					"share an address outside the subnet, or see that the hosts there send by way of a router that has the route",
			},
		},
		{
			name: "an IPv6 VIP of the subnet",
			harm: func(f *fixture) {
				f.take("2001:db8:99::10")
				f.config.VIPs[0].Addr, f.config.VIPs[0].Prefix = ip("2001:db8::99"), netip.MustParsePrefix("2001:db8::99/128")
			},
			want: []string{"on-link warning vip dns: 2001:db8::99 lies in 2001:db8::/64, the subnet of eth0: hosts there look for it among their neighbours, where none answers, and need the route instead | " +
				"share an address outside the subnet, or see that the hosts there send by way of a router that has the route"},
		},
		{
			name: "the uplink's whole range",
			harm: func(f *fixture) {
				f.take("2001:db8:99::10")
				f.config.VIPs[0].Addr, f.config.VIPs[0].Prefix = ip("2001:db8::99"), netip.MustParsePrefix("2001:db8::/64")
			},
			want: []string{"covers-own-address problem vip dns: 2001:db8::/64 is announced, and 2001:db8::7, eth0's own address, lies in it: what is for this host follows the shared IP | " +
				"share a range that is routed to you, and no part of the uplink's subnet"},
		},
		{
			name: "a range with an address of the host's that nothing needs",
			harm: func(f *fixture) { f.put("2001:db8:99::5/64", "eth0") },
			want: []string{"covers-own-address warning vip dns: 2001:db8:99::/64 is announced, and 2001:db8:99::5, eth0's own address, lies in it: what is for this host follows the shared IP | " +
				"share a range that is routed to you, and no part of the uplink's subnet"},
		},
		{
			name: "a dummy with shared IPs is no way in",
			harm: func(f *fixture) {
				f.link("d0", func(l *host.Link) { l.Index, l.Up, l.MAC = 4, true, "02:00:00:00:00:03" })
				f.take("203.0.113.10")
				f.put("203.0.113.10/32", "d0")
				f.config.VIPs[1].Link = "d0"
				f.sysctls["net/ipv4/conf/d0/rp_filter"] = "1"
			},
		},
		{
			name: "forwarding switched off router advertisements",
			harm: func(f *fixture) {
				f.sysctls["net/ipv6/conf/eth0/forwarding"] = "1"
				f.sysctls["net/ipv6/conf/eth0/accept_ra"] = "1"
			},
			want: []string{"accept-ra warning link eth0: eth0 forwards IPv6, and so ignores router advertisements (accept_ra=1): an address or route that came by one runs out | " +
				"sysctl -w net.ipv6.conf.eth0.accept_ra=2" + silently},
		},
		{
			name: "forwarding, and advertisements all the same",
			harm: func(f *fixture) {
				f.sysctls["net/ipv6/conf/eth0/forwarding"] = "1"
				f.sysctls["net/ipv6/conf/eth0/accept_ra"] = "2"
			},
		},
		{
			name: "strict by a file",
			harm: func(f *fixture) {
				f.sysctls["net/ipv4/conf/eth0/rp_filter"] = "1"
				f.file("usr/lib/sysctl.d/50-default.conf", "# strict\n-net.ipv4.conf.*.rp_filter = 1\n-net.ipv4.conf.all.rp_filter\n")
				f.file("etc/sysctl.d/60-eth1.conf", "net.ipv4.conf.eth1.rp_filter=0\n")
			},
			want: []string{"rp-filter warning link eth0: /usr/lib/sysctl.d/50-default.conf:2: eth0 drops IPv4 packets whose answer would leave by another link (rp_filter=1, strict) | " +
				"if such packets may come: sysctl -w net.ipv4.conf.eth0.rp_filter=2" + silently},
		},
		{
			name: "strict from the next boot on",
			harm: func(f *fixture) {
				f.file("etc/sysctl.d/10-a.conf", "net/ipv4/conf/default/rp_filter = 1\n")
				f.file("usr/lib/sysctl.d/10-a.conf", "net.ipv4.conf.all.rp_filter = 2\n")
				f.file("etc/sysctl.d/20-b.conf", "net.ipv4.conf.eth1.rp_filter = 0\n")
			},
			want: []string{"sysctl-at-boot warning sysctl at boot: /etc/sysctl.d/10-a.conf:1: this makes eth0 drop IPv4 packets whose answer would leave by another link (rp_filter=1), from the next boot on | write 2 here"},
		},
		{
			name: "no IPv6 from the next boot on",
			harm: func(f *fixture) { f.file("etc/sysctl.d/no6.conf", "\nnet.ipv6.conf.all.disable_ipv6=1\n") },
			want: []string{"sysctl-at-boot warning sysctl at boot: /etc/sysctl.d/no6.conf:2: this disables IPv6 on lo from the next boot on, which dns (2001:db8:99::10) needs | write 0 here"},
		},
		{
			name: "no IPv6 on other links",
			harm: func(f *fixture) {
				f.file("etc/sysctl.d/no6.conf", "net.ipv6.conf.default.disable_ipv6=1\n")
			},
		},
		{
			name: "no IPv6 but on lo",
			harm: func(f *fixture) {
				f.file("etc/sysctl.d/no6.conf", "net.ipv6.conf.all.disable_ipv6=1\nnet.ipv6.conf.lo.disable_ipv6=0\n")
			},
		},
		{
			name: "no IPv6, by a file",
			harm: func(f *fixture) {
				f.sysctls["net/ipv6/conf/lo/disable_ipv6"] = "1"
				f.file("etc/sysctl.d/no6.conf", "net.ipv6.conf.all.disable_ipv6=1\n")
			},
			want: []string{"ipv6-disabled problem link lo: /etc/sysctl.d/no6.conf:1: IPv6 is disabled on lo, which dns (2001:db8:99::10) needs | sysctl -w net.ipv6.conf.lo.disable_ipv6=0" + silently},
		},

		// Addresses.
		{
			name: "secondary",
			harm: func(f *fixture) { f.view.Addrs[ip("203.0.113.10")][0].Secondary = true },
			want: []string{"secondary-address warning vip web: 203.0.113.10/32 on lo is secondary: when the first address of that subnet goes, the kernel takes it along | give it and the others on lo the length /32"},
		},
		{
			name: "the host speaks by a shared IP",
			harm: func(f *fixture) {
				f.routes["192.0.0.8"] = host.Route{Link: "eth0", Source: ip("203.0.113.10")}
				f.routes["100::1"] = host.Route{Link: "eth0", Source: ip("2001:db8::7")}
			},
			want: []string{"shared-source warning link eth0: what this host itself sends by eth0 comes from 203.0.113.10, the shared IP of vip web: the answer goes to whoever has it then | " +
				"give eth0 an address of its own, or the default route one: ip route change default ... src ADDRESS"},
		},
		{
			name: "keepalived has it",
			harm: func(f *fixture) { f.file("etc/keepalived/keepalived.conf", "virtual_ipaddress {\n203.0.113.10\n}\n") },
			want: []string{"second-owner warning vip web: /etc/keepalived/keepalived.conf:2: keepalived adds and removes 203.0.113.10 as well, by VRRP | take it out, so that one tool alone looks after it"},
		},
		{
			name: "cloud-init has it, by a file that the backend knows",
			harm: func(f *fixture) {
				f.file("etc/netplan/50-cloud-init.yaml", "# This file is generated from information provided by the datasource.\naddresses: [203.0.113.10/32]\n")
				f.stack = []plugins.Finding{{Code: "adopted", Severity: plugins.SeverityNote, Object: "vip web", Path: "/etc/netplan/50-cloud-init.yaml", Line: 2, Message: "used there", Hint: "none"}}
			},
			want: []string{
				"cloud-init warning vip web: /etc/netplan/50-cloud-init.yaml:2: cloud-init writes this file, from what the cloud tells it, and may do so at every boot: what is changed here by hand, as 203.0.113.10, comes back or goes | " +
					"write network: {config: disabled} into /etc/cloud/cloud.cfg.d/99-network.cfg, if the file is yours from now on",
				"adopted note vip web: /etc/netplan/50-cloud-init.yaml:2: used there | none",
			},
		},
		{
			name: "cloud-init wrote it, and does so no more",
			harm: func(f *fixture) {
				f.file("etc/netplan/50-cloud-init.yaml", "# This file is generated by cloud-init.\naddresses: [203.0.113.10/32]\n")
				f.file("etc/cloud/cloud.cfg.d/99-network.cfg", "network: {config: disabled}\n")
			},
			want: []string{"second-owner warning vip web: /etc/netplan/50-cloud-init.yaml:2: 203.0.113.10 stands here too | take it out, so that one tool alone looks after it"},
		},
		{
			name: "a plugin's finding without a code",
			harm: func(f *fixture) {
				f.stack = []plugins.Finding{{Severity: plugins.SeverityNote, Object: "x", Message: "m", Hint: "h"}}
			},
			want: []string{"stack note x: m | h"},
		},

		// Peers.
		{
			name: "the gateway is shared",
			harm: func(f *fixture) {
				f.routes["192.0.2.1"] = host.Route{Link: "eth0", Gateway: ip("203.0.113.10"), Source: ip("192.0.2.7")}
				f.config.BGP.Peers[0].TTL = 2
			},
			want: []string{"gateway-is-shared problem peer tor4: the gateway towards it is 203.0.113.10, the shared IP of vip web: the way there ends on this host | " +
				"send by the router's own address; an address that a router has is none to share with it"},
		},
		{
			name: "long packets",
			harm: func(f *fixture) { f.file("sys/class/net/eth0/mtu", "9000\n") },
			want: []string{"mtu note peer tor6: eth0 takes packets of 9000 bytes; if a router on the way to 2001:db8::1 does not, and its answer is filtered, the session comes up and hangs at the first long message | " +
				"if a session ends by its Hold Timer again and again: sysctl -w net.ipv4.tcp_mtu_probing=1" + silently},
		},
		{
			name: "a temporary source",
			harm: func(f *fixture) {
				f.file("proc/thread-self/net/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n20010db8000000000000000000000007 02 40 00 01     eth0\n")
			},
			want: []string{"temporary-source warning peer tor6: the session would come from 2001:db8::7, a temporary address (RFC 8981): it is replaced every day or so, and a peer that knows this host by its other address refuses it | " +
				"name the lasting address of eth0 as local_address in [bgp.peer.tor6], or sysctl -w net.ipv6.conf.eth0.use_tempaddr=0" + silently},
		},
		{
			name: "hold times",
			harm: func(f *fixture) {
				f.config.BGP.Peers[0].Hold = 0
				f.config.BGP.Peers[1].Hold = 3 * time.Second
				for _, n := range []string{"a", "b", "c", "d", "e", "g"} {
					f.config.BGP.Peers = append(f.config.BGP.Peers, plugins.Peer{Name: n, Addr: ip("192.0.2.1"), ASN: 64512, Hold: 90 * time.Second})
				}
			},
			want: []string{
				"hold-zero warning bgp: a Hold Time of 0 means no keepalives (RFC 4271 §4.4): when this host is cut off, tor4 never notices | set hold in [bgp], as hold = \"9s\", or BFD",
				"hold-long note bgp: the Hold Time of a, b, c, d and 2 more is above 30s: when this host is cut off, its routes stay for that long | set hold in [bgp], as hold = \"9s\", or BFD",
				"hold-short note bgp: the Hold Time of tor6 is below 6s: a host that stalls that long, as a virtual machine that is moved, loses its routes | 9s is what providers use; BFD is faster where the peer has it",
			},
		},
		{
			name: "any hold time with BFD",
			harm: func(f *fixture) {
				f.config.BGP.Peers[0].Hold, f.config.BGP.Peers[0].BFD = 0, &plugins.BFD{}
				f.config.BGP.Peers[1].Hold, f.config.BGP.Peers[1].BFD = 90*time.Second, &plugins.BFD{}
			},
		},
		{
			name: "the other host's router ID",
			harm: func(f *fixture) { f.config.BGP.RouterID = ip("192.0.2.8") },
			want: []string{"router-id-foreign note router_id: 192.0.2.8 is no address of this host: if the config was copied, another host has the same BGP Identifier, and peers that have both as iBGP neighbours refuse one | " +
				"leave router_id out: 192.0.2.7 would be used here"},
		},
		{
			name: "its own router ID",
			harm: func(f *fixture) { f.config.BGP.RouterID = ip("192.0.2.7") },
		},
		{
			name: "a packet filter",
			harm: func(f *fixture) {
				f.firewall = firewall.Parse(nil, "*filter\n:INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\n",
					"*filter\n:INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -m udp --dport 4784 -j DROP\n-A OUTPUT -p tcp -m tcp --dport 179 -j REJECT\nCOMMIT\n")
				f.config.BGP.Peers[0].BFD = &plugins.BFD{}
				f.config.BGP.Peers[1].BFD = &plugins.BFD{}
			},
			want: []string{
				"firewall problem peer tor4: this host's packet filter drops its BFD packets to UDP port 3784 (iptables filter INPUT) | let UDP in from 192.0.2.1, port 3784: they are no answers to ours",
				"firewall problem peer tor6: this host's packet filter drops its BFD packets to UDP port 4784 (ip6tables filter INPUT) | let UDP in from 2001:db8::1, port 4784: they are no answers to ours",
				"firewall problem peer tor6: this host's packet filter drops its answers from TCP port 179 (ip6tables filter INPUT) | let in what belongs to connections: ct state established,related accept",
				"firewall problem peer tor6: this host's packet filter drops the BFD packets to UDP port 4784 (ip6tables filter OUTPUT) | let UDP out to 2001:db8::1, port 4784",
				"firewall problem peer tor6: this host's packet filter drops what it is sent on TCP port 179 (ip6tables filter OUTPUT) | let TCP out to 2001:db8::1, port 179",
			},
		},
		{
			name: "keys",
			harm: func(f *fixture) {
				f.kernel.NoMD5 = true
				f.config.BGP.Peers[0].Password = "secret"
				f.file("proc/thread-self/net/netstat", "TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure Other\nTcpExt: 9 1 2 4 9\nIpExt: InNoRoutes\nIpExt: 5\n")
			},
			want: []string{
				"md5-missing problem kernel: this kernel has no TCP-MD5 (CONFIG_TCP_MD5SIG), which tor4 needs | boot a kernel that has it, or agree with the peer to leave the password out",
				"md5-refused note kernel: it dropped 7 TCP segments since it started as their MD5 signature was missing, wrong, or not expected | " +
					"if a session stays in active: compare password_file with the peer's key; nstat -az 'TcpExtTCPMD5*' says which of the three",
			},
		},
		{
			name: "a key for TCP-AO",
			harm: func(f *fixture) {
				f.kernel.NoAO = true
				f.config.BGP.Peers[1].AO.Key = "secret"
			},
			want: []string{
				"ao-missing problem kernel: this kernel has no TCP-AO (CONFIG_TCP_AO, Linux 6.7 and later), which tor6 needs | boot a kernel that has it, or agree with the peer on a password: password_file",
			},
		},
		{
			name: "no keys are needed",
			harm: func(f *fixture) {
				f.kernel.NoMD5, f.kernel.NoAO = true, true
				f.file("proc/thread-self/net/netstat", "TcpExt: SyncookiesSent TCPMD5NotFound\nTcpExt: 9 0\n")
			},
		},

		// Other programs.
		{
			name: "lelastic at the next boot",
			harm: func(f *fixture) {
				f.points("etc/systemd/system/multi-user.target.wants/lelastic.service", "/etc/systemd/system/lelastic.service")
			},
			want: []string{"lelastic warning lelastic: /etc/systemd/system/multi-user.target.wants/lelastic.service: lelastic starts at the next boot, and announces shared IPs by itself | systemctl disable lelastic"},
		},
		{
			name: "lelastic in a container of its own",
			harm: func(f *fixture) {
				f.file("proc/77/comm", "lelastic\n")
				f.points("proc/77/ns/net", "net:[2]")
				f.points("proc/thread-self/ns/net", "net:[1]")
			},
		},
		{
			name: "FRR and BIRD with our peers",
			harm: func(f *fixture) {
				f.config.BGP.Backend = "bird"
				f.file("proc/70/comm", "bgpd\n")
				f.file("proc/71/comm", "bird\n")
				f.points("proc/70/ns/net", "net:[1]")
				f.points("proc/thread-self/ns/net", "net:[1]")
				f.file("etc/frr/frr.conf", "router bgp 65001\n neighbor 192.0.2.1 remote-as 64512\n ! neighbor 2001:db8::1\n network 203.0.113.10/32\n")
				f.file("etc/bird/bird.conf", "protocol bgp { neighbor 192.0.2.1 as 64512; }\n")
			},
			want: []string{
				"other-speaker warning peer tor4: /etc/frr/frr.conf:2: FRR runs on this host too (process 70), and has 192.0.2.1 as its neighbour: of two sessions with one host a peer ends one (RFC 4271 §6.8) | " +
					"take the neighbour out there, or have Stentor announce by it: [bgp] backend = \"frr\"",
				"other-speaker warning vip web: /etc/frr/frr.conf:4: FRR runs on this host too (process 70), and is told of 203.0.113.10: it may announce what Stentor has withdrawn | " +
					"take it out there, or have Stentor announce by it: [bgp] backend = \"frr\"",
			},
		},
		{
			name: "ExaBGP with our peer, and GoBGP that is not started",
			harm: func(f *fixture) {
				f.file("proc/70/comm", "exabgp\n")
				f.file("etc/exabgp/exabgp.conf", "neighbor 2001:db8::1 {\n")
				f.file("etc/gobgpd.conf", "neighbor-address = \"192.0.2.1\"\n")
			},
			want: []string{"other-speaker warning peer tor6: /etc/exabgp/exabgp.conf:1: ExaBGP runs on this host too (process 70), and has 2001:db8::1 as its neighbour: of two sessions with one host a peer ends one (RFC 4271 §6.8) | " +
				"take the neighbour out there"},
		},
		{
			name: "networkd and FRR's routes",
			harm: func(f *fixture) {
				f.config.BGP.Backend = "frr"
				f.file("sys/fs/cgroup/system.slice/systemd-networkd.service/cgroup.procs", "12\n")
			},
			want: []string{"foreign-routes note systemd-networkd: when it is started anew, as by an upgrade, it removes the routes that FRR has put into the kernel | " +
				"write [Network] and ManageForeignRoutes=no into /etc/systemd/networkd.conf.d/foreign.conf, if there are such routes (networkd.conf(5))"},
		},
		{
			name: "networkd that leaves them",
			harm: func(f *fixture) {
				f.config.BGP.Backend = "frr"
				f.file("sys/fs/cgroup/system.slice/systemd-networkd.service/cgroup.procs", "12\n")
				f.file("etc/systemd/networkd.conf.d/frr.conf", "[Network]\nManageForeignRoutes = no\n")
			},
		},
		{
			name: "needrestart",
			harm: func(f *fixture) {
				f.config.BGP.Backend = "bird"
				f.file("etc/needrestart/needrestart.conf", "#$nrconf{restart} = 'i';\n$nrconf{restart} = 'a';\n$nrconf{override_rc} = {\nqr(^dbus) => 0,\n};\n")
				f.file("etc/needrestart/conf.d/stentor.conf", "$nrconf{override_rc}{qr(^stentor\\.service$)} = 0;\n")
			},
			want: []string{"needrestart note needrestart: /etc/needrestart/needrestart.conf:2: it restarts bird by itself after upgrades, and the sessions end for that moment | " +
				"write $nrconf{override_rc}{qr(^bird\\.service$)} = 0; into /etc/needrestart/conf.d/bird.conf"},
		},
		{
			name: "needrestart with the package's exception",
			harm: func(f *fixture) {
				f.file("etc/needrestart/needrestart.conf", "$nrconf{restart} = \"a\";\n")
				f.file("etc/needrestart/conf.d/stentor.conf", "$nrconf{override_rc}{qr(^stentor\\.service$)} = 0;\n")
			},
		},
		{
			name: "the host asks itself for names",
			harm: func(f *fixture) {
				f.file("etc/resolv.conf", "# a nameserver 203.0.113.10\nnameserver 192.0.2.53\nnameserver 203.0.113.10\n")
			},
			want: []string{"resolver warning vip web: /etc/resolv.conf:3: this host asks 203.0.113.10 for names, and so itself, also while its own service is down: checks and hooks that need a name fail then | " +
				"name a resolver that is not shared here, at least as the second one"},
		},
		{
			name: "the unit is not enabled",
			harm: func(f *fixture) {
				f.file("run/systemd/system/x", "")
				f.file("usr/lib/systemd/system/stentor.service", "[Unit]\n")
			},
			want: []string{"unit-disabled warning stentor.service: it is not enabled: after the next boot nothing is announced | systemctl enable stentor"},
		},
		{
			name: "the unit is enabled",
			harm: func(f *fixture) {
				f.file("run/systemd/system/x", "")
				f.file("lib/systemd/system/stentor.service", "[Unit]\n")
				f.points("etc/systemd/system/multi-user.target.wants/stentor.service", "/lib/systemd/system/stentor.service")
			},
		},

		// The cloud.
		{
			name: "Linode's config on another machine",
			harm: func(f *fixture) { f.linode(survey.Facts{Vendor: "QEMU"}) },
			want: []string{`provider warning bgp: provider is "linode", and this machine is of another make: the firmware's vendor is "QEMU" | write the provider of this machine, or its peers one by one: [bgp.peer.NAME]`},
		},
		{
			name: "Linode's config on a machine that says nothing",
			harm: func(f *fixture) { f.linode(survey.Facts{}) },
		},
		{
			name: "another data centre, and an address that is not shared",
			harm: func(f *fixture) {
				f.linode(survey.Facts{Vendor: "Akamai", Provider: "linode", Region: "eu-central", Given: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8:99::/64")}})
			},
			want: []string{
				"region problem bgp: the peers are those of another data centre: the metadata service says that this host is in eu-central (Frankfurt (Germany), dcid 10) | write region = \"eu-central\" in [bgp], and no dcid",
				"not-shared warning vip web: the metadata service does not name 203.0.113.10/32: it is neither this host's nor shared with it, so the announcement is refused | " +
					"share it with this host in the cloud's panel (IP Sharing) or API, in the same data centre",
			},
		},
		{
			name: "all as the metadata service says",
			harm: func(f *fixture) {
				f.linode(survey.Facts{Vendor: "Linode", Provider: "linode", Region: "us-southeast", Given: []netip.Prefix{netip.MustParsePrefix("203.0.113.10/32"), netip.MustParsePrefix("2001:db8:99::/64")}})
			},
		},
		{
			name: "another AS at Vultr",
			harm: func(f *fixture) {
				f.config.BGP.Provider, f.cloud = "vultr", survey.Facts{Vendor: "Vultr", Provider: "vultr", ASN: 64777}
			},
			want: []string{"asn problem bgp: asn is 65001, and the metadata service says that yours is 64777 | write asn = 64777 in [bgp]"},
		},

		// What Stentor runs on.
		{
			name: "a poor kernel",
			harm: func(f *fixture) {
				f.kernel, f.confined = Kernel{NoLandlock: true, NoNetAdmin: true, ClockFree: true}, true
				f.config.Hooks = []config.Hook{{URL: "https://example.net/hook"}}
			},
			want: []string{
				"net-admin problem capabilities: this is root without CAP_NET_ADMIN, as in a container: no address can be put on the host | run the container with --cap-add NET_ADMIN, and --network host for the host's own addresses",
				"clock note clock: nothing keeps the clock of this host right: checks and hooks over TLS fail when it is far off, and the times of the history are wrong | run chrony or systemd-timesyncd; timedatectl shows whether it works",
				"landlock note kernel: this kernel has no Landlock: the speaker's process can read what its user can read, instead of nothing | nothing has to be done; Linux 5.13 and newer have it, where the boot parameter lsm names it",
			},
		},
		{
			name: "a poor kernel that is not in the way",
			harm: func(f *fixture) {
				f.kernel = Kernel{NoLandlock: true, ClockFree: true}
				f.config.Checks = []health.Spec{{Probe: health.HTTP{URL: "http://127.0.0.1/"}}}
			},
		},
		{
			name: "a check over TLS",
			harm: func(f *fixture) {
				f.kernel = Kernel{ClockFree: true}
				f.config.Checks = []health.Spec{{Probe: health.HTTP{URL: "https://127.0.0.1/"}}}
			},
			want: []string{"clock note clock: nothing keeps the clock of this host right: checks and hooks over TLS fail when it is far off, and the times of the history are wrong | run chrony or systemd-timesyncd; timedatectl shows whether it works"},
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

// FuzzFiles: whatever stands in the files of others, a check ends, and what it
// says is on one line.
func FuzzFiles(f *testing.F) {
	f.Add("net.ipv4.conf.*.rp_filter=1\n-net/ipv4/conf/all/rp_filter\n", "nameserver 203.0.113.10\n", "TcpExt: TCPMD5Failure\nTcpExt: 7\n")
	f.Add("[.=1\n/=\n=\n-\n.", "neighbor 192.0.2.1 203.0.113.10", "20010db8000000000000000000000007 02 40 00 01 eth0")
	f.Fuzz(func(t *testing.T, sysctl, config, proc string) {
		x := healthy()
		x.file("etc/sysctl.d/x.conf", sysctl)
		for _, name := range []string{"etc/resolv.conf", "etc/frr/frr.conf", "etc/netplan/x.yaml", "etc/needrestart/needrestart.conf", "etc/systemd/networkd.conf"} {
			x.file(name, config)
		}
		for _, name := range []string{"proc/1/comm", "proc/thread-self/net/netstat", "proc/thread-self/net/if_inet6", "sys/class/net/eth0/mtu"} {
			x.file(name, proc)
		}
		x.file("proc/2/comm", "bgpd\n")
		for _, f := range Check(x.input()) {
			if f.Code == "" || f.Hint == "" || strings.ContainsAny(f.Message+f.Hint, "\n\r") {
				t.Errorf("%+v", f)
			}
		}
	})
}

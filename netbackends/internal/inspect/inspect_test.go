package inspect

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/plugins"
)

func TestFindings(t *testing.T) {
	const handOver = "to hand it over to Stentor, delete it here and run: stentor apply; the address stays up"
	want := []plugins.VIP{
		{Name: "dns", Addr: netip.MustParseAddr("2001:db8:99::10"), Link: "lo"},
		{Name: "web", Addr: netip.MustParseAddr("203.0.113.10"), Link: "lo"},
	}
	adopted := func(link string) []plugins.VIPState {
		v := want[1]
		v.Link = link
		return []plugins.VIPState{{VIP: v, OnHost: true, Adopted: true}}
	}
	tests := []struct {
		name   string
		files  map[string]string
		stacks []detect.Stack
		states []plugins.VIPState
		want   []string // "CODE SEVERITY OBJECT PATH:LINE: MESSAGE | HINT"
	}{
		{name: "nothing"},
		{name: "other addresses", stacks: []detect.Stack{detect.Netplan},
			files: map[string]string{"etc/netplan/1.yaml": "network: {ethernets: {eth0: {addresses: [192.0.2.2/24]}}}"}},
		{name: "the guide's netplan", stacks: []detect.Stack{detect.Netplan}, states: adopted("lo"),
			files: map[string]string{"etc/netplan/1.yaml": "network:\n  ethernets:\n    lo: {addresses: [203.0.113.10/32]}\n"},
			want:  []string{"adopted note vip web /etc/netplan/1.yaml:3: this puts 203.0.113.10 on lo: Stentor uses it there (adopted), writes it nowhere else and never removes it | " + handOver}},
		{name: "the guide's ifupdown, with its /64", stacks: []detect.Stack{detect.Ifupdown},
			files: map[string]string{"etc/network/interfaces": "auto lo\niface lo inet loopback\niface lo inet6 static\naddress 2001:db8:99::10/64\n"},
			want: []string{"wide-prefix warning vip dns /etc/network/interfaces:4: 2001:db8:99::10/64 on lo makes all of 2001:db8:99::/64 this host's own: it reaches none of it through the network | " +
				"write 2001:db8:99::10/128 here; what is announced does not depend on it. Or delete it here, then: ip address del 2001:db8:99::10/64 dev lo; stentor apply"}},
		{name: "the guide's dummy", stacks: []detect.Stack{detect.NetworkManager, detect.Netplan}, states: adopted("shared"),
			files: map[string]string{"etc/NetworkManager/system-connections/shared.nmconnection": "[connection]\ninterface-name=shared\n[ipv4]\naddress1=203.0.113.10/32\n"},
			want: []string{"file-on-other-link warning vip web /etc/NetworkManager/system-connections/shared.nmconnection:4: this puts 203.0.113.10 on shared, the config says lo: " +
				"while it stands on shared, Stentor uses it there (adopted) and never removes it | to hand it over to Stentor, delete it here, then: ip address del 203.0.113.10/32 dev shared; stentor apply"}},
		{name: "NetworkManager's lo", stacks: []detect.Stack{detect.NetworkManager}, states: adopted("lo"),
			files: map[string]string{"etc/NetworkManager/system-connections/lo.nmconnection": "[connection]\ninterface-name=lo\n[ipv4]\naddress1=203.0.113.10/32\n"},
			want: []string{"adopted note vip web /etc/NetworkManager/system-connections/lo.nmconnection:4: this puts 203.0.113.10 on lo: Stentor uses it there (adopted), writes it nowhere else and never removes it | " +
				"to hand it over to Stentor, delete it here, then: nmcli con reload; nmcli dev reapply lo; stentor apply; in between the address is away"}},
		{name: "NetworkManager's uplink", stacks: []detect.Stack{detect.NetworkManager},
			files: map[string]string{"etc/NetworkManager/system-connections/eth0.nmconnection": "[connection]\ninterface-name=eth0\n[ipv4]\naddress1=203.0.113.10/32\n"},
			want: []string{"file-on-uplink warning vip web /etc/NetworkManager/system-connections/eth0.nmconnection:4: this puts 203.0.113.10 on the uplink eth0, where every host that holds it answers neighbours | " +
				"delete it here, then: ip address del 203.0.113.10/32 dev eth0; stentor apply puts it on lo"}},
		{name: "on another link", stacks: []detect.Stack{detect.Networkd}, states: adopted("d0"),
			files: map[string]string{"etc/systemd/network/d0.network": "[Match]\nName=d0\n[Network]\nAddress=203.0.113.10/32\n"},
			want: []string{"file-on-other-link warning vip web /etc/systemd/network/d0.network:4: this puts 203.0.113.10 on d0, the config says lo: " +
				"while it stands on d0, Stentor uses it there (adopted) and never removes it | to hand it over to Stentor, delete it here, then: ip address del 203.0.113.10/32 dev d0; stentor apply"}},
		{name: "on the uplink", stacks: []detect.Stack{detect.Networkd},
			files: map[string]string{"etc/systemd/network/05-eth0.network": "[Match]\nName=eth0\n[Network]\nAddress=203.0.113.10/24\n"},
			want: []string{"file-on-uplink warning vip web /etc/systemd/network/05-eth0.network:4: this puts 203.0.113.10 on the uplink eth0, where every host that holds it answers neighbours | " +
				"delete it here, then: ip address del 203.0.113.10/24 dev eth0; stentor apply puts it on lo"}},
		{name: "twice", stacks: []detect.Stack{detect.Netplan}, states: adopted("lo"),
			files: map[string]string{"etc/netplan/1.yaml": "network: {ethernets: {lo: {addresses: [203.0.113.10/32]}}}", "etc/netplan/2.yaml": "network: {ethernets: {lo: {addresses: [203.0.113.10/32]}}}"},
			want: []string{
				"adopted note vip web /etc/netplan/1.yaml:1: this puts 203.0.113.10 on lo: Stentor uses it there (adopted), writes it nowhere else and never removes it | " + handOver,
				"adopted note vip web /etc/netplan/2.yaml:1: this puts 203.0.113.10 on lo: Stentor uses it there (adopted), writes it nowhere else and never removes it | " + handOver,
				"configured-twice warning vip web: 203.0.113.10 is configured 2 times: /etc/netplan/1.yaml:1, /etc/netplan/2.yaml:1 | keep one of them at most",
			}},
		{name: "in another stack's file", stacks: []detect.Stack{detect.Netplan},
			files: map[string]string{"etc/netplan/1.yaml": "network: {ethernets: {lo: {addresses: [203.0.113.10/32]}}}", "etc/network/interfaces": "iface lo inet static\naddress 203.0.113.10/32\n"},
			want: []string{"adopted note vip web /etc/netplan/1.yaml:1: this puts 203.0.113.10 on lo: Stentor uses it there (adopted), writes it nowhere else and never removes it | " + handOver,
				"file-of-other-stack warning vip web /etc/network/interfaces:2: 203.0.113.10 stands here too, in a file of another network stack (ifupdown) | " +
					"delete it here, so that one stack alone looks after it"}},
		{name: "any stack's file counts", stacks: nil, states: adopted("lo"),
			files: map[string]string{"etc/network/interfaces": "iface lo inet static\naddress 203.0.113.10/32\n"},
			want:  []string{"adopted note vip web /etc/network/interfaces:2: this puts 203.0.113.10 on lo: Stentor uses it there (adopted), writes it nowhere else and never removes it | " + handOver}},
		{name: "put there by hand", states: adopted("lo"),
			want: []string{"adopted-by-hand note vip web: 203.0.113.10 was on lo before Stentor, which uses it there (adopted); no network file that is known brings it back after a reboot | " +
				"to hand it over to Stentor, see that nothing else looks after it, then: stentor apply; if check still says this: ip address del 203.0.113.10/32 dev lo; stentor apply"}},
		{name: "somebody's profile of lo", stacks: []detect.Stack{detect.Networkd},
			files: map[string]string{"etc/NetworkManager/system-connections/lo": "[connection]\ntype=loopback\n", "etc/NetworkManager/system-connections/stentor.nmconnection": "[connection]\ntype=loopback\n"},
			want: []string{"nm-lo-profile warning NetworkManager /etc/NetworkManager/system-connections/lo:0: when NetworkManager activates this profile of lo, it takes every address off lo that is not in it | " +
				"delete it, if nothing needs it, or put its addresses on a dummy device: nmcli con add type dummy ifname NAME"}},
		{name: "Network Helper", stacks: []detect.Stack{detect.Ifupdown},
			files: map[string]string{"etc/network/interfaces": "# Generated by Linode Network Helper\n# Sun\nauto lo\n", "etc/systemd/network/05-eth0.network": "[Match]\n# Generated by Linode Network Helper\n"},
			want: []string{"network-helper warning Network Helper /etc/network/interfaces:1: Linode's Network Helper writes this file anew at every boot: what is added here is lost, and shared IPs may be put on the uplink | " +
				"switch it off: Cloud Manager, this Linode, Configurations, Edit, \"Auto-configure networking\"; files of Stentor's own outlive it"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range tt.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			v := Look(root)
			v.Stacks, v.Want, v.States, v.Uplink = tt.stacks, want, tt.states, "eth0"
			var got []string
			for _, f := range v.Findings() {
				place := ""
				if f.Path != "" {
					place = fmt.Sprintf(" %s:%d", f.Path, f.Line)
				}
				got = append(got, fmt.Sprintf("%s %s %s%s: %s | %s", f.Code, f.Severity, f.Object, place, f.Message, f.Hint))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

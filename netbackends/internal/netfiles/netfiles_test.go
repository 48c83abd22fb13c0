package netfiles

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
)

func root(files map[string]string) fstest.MapFS {
	all := fstest.MapFS{}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

// lines writes addresses as FILE:LINE LINK PREFIX.
func lines(all []Address) []string {
	var out []string
	for _, a := range all {
		out = append(out, fmt.Sprintf("%s:%d %s %s", a.Path, a.Line, a.Link, a.Prefix))
	}
	return out
}

type files map[string]string

func TestNetplan(t *testing.T) {
	tests := []struct {
		name  string
		files files
		want  []string
	}{
		{"none", files{}, nil},
		{"by the guide", files{"etc/netplan/01.yaml": "network:\n  version: 2\n  ethernets:\n    lo:\n      match:\n        name: lo\n      addresses:\n        - 203.0.113.10/32\n"},
			[]string{"/etc/netplan/01.yaml:8 lo 203.0.113.10/32"}},
		{"in one line", files{"etc/netplan/01.yaml": "network: {ethernets: {lo: {addresses: [203.0.113.10/32, \"2001:DB8:0::1/64\"]}}}\n"},
			[]string{"/etc/netplan/01.yaml:1 lo 203.0.113.10/32", "/etc/netplan/01.yaml:1 lo 2001:db8::1/64"}},
		{"with options", files{"etc/netplan/01.yaml": "network:\n  ethernets:\n    x:\n      match: {name: lo}\n      addresses:\n      - \"2001:db8::1/128\":\n          lifetime: 0\n"},
			[]string{"/etc/netplan/01.yaml:6 lo 2001:db8::1/128"}},
		{"an alias", files{"etc/netplan/01.yaml": "network:\n  ethernets:\n    a: {addresses: &x [192.0.2.1/24]}\n    b: {addresses: *x}\n"},
			[]string{"/etc/netplan/01.yaml:3 a 192.0.2.1/24", "/etc/netplan/01.yaml:3 b 192.0.2.1/24"}},
		{"other sections", files{"etc/netplan/01.yaml": "network:\n  bridges:\n    br0:\n      addresses: [192.0.2.1/24]\n  dummy-devices:\n    d0:\n      addresses: [192.0.2.2/32]\n"},
			[]string{"/etc/netplan/01.yaml:4 br0 192.0.2.1/24", "/etc/netplan/01.yaml:7 d0 192.0.2.2/32"}},
		{"in /run before /etc, and hidden", files{
			"run/netplan/01.yaml": "network: {ethernets: {lo: {addresses: [192.0.2.1/32]}}}", "etc/netplan/01.yaml": "network: {ethernets: {lo: {addresses: [192.0.2.2/32]}}}",
			"etc/netplan/.x.yaml": "network: {ethernets: {lo: {addresses: [192.0.2.3/32]}}}"},
			[]string{"/run/netplan/01.yaml:1 lo 192.0.2.1/32"}},
		{"ours", files{"etc/netplan/60.yaml": string(hostfile.Seal([]byte("network: {ethernets: {lo: {addresses: [192.0.2.1/32]}}}\n")))}, nil},
		{"not YAML, and of another shape", files{"etc/netplan/1.yaml": "\t", "etc/netplan/2.yaml": "network: [1]\n", "etc/netplan/3.yaml": "network: {ethernets: {lo: {addresses: {a: b}}}}"}, nil},
		{"too large", files{"etc/netplan/1.yaml": "network: {ethernets: {lo: {addresses: [192.0.2.1/32]}}}\n#" + strings.Repeat("x", MaxFile)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, lines(Netplan(root(tt.files)))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestInterfaces(t *testing.T) {
	const main = "etc/network/interfaces"
	tests := []struct {
		name  string
		files files
		want  []string
	}{
		{"by the guide", files{main: "auto lo\niface lo inet loopback\n\niface lo inet static\n    address 203.0.113.10/32\niface lo inet6 static\n\taddress 2001:db8::1/64\n"},
			[]string{"/etc/network/interfaces:5 lo 203.0.113.10/32", "/etc/network/interfaces:7 lo 2001:db8::1/64"}},
		{"netmask before and after", files{main: "iface lo inet static\n netmask 255.255.255.255\n address 192.0.2.1\niface eth0 inet static\n address 192.0.2.2\n netmask 255.255.255.0\niface eth1 inet static\n address 192.0.2.3\n netmask 28\n"},
			[]string{"/etc/network/interfaces:3 lo 192.0.2.1/32", "/etc/network/interfaces:5 eth0 192.0.2.2/24", "/etc/network/interfaces:8 eth1 192.0.2.3/28"}},
		{"no netmask", files{main: "iface lo inet static\n address 192.0.2.1\niface lo inet6 static\n address 2001:db8::1\n"},
			[]string{"/etc/network/interfaces:2 lo 192.0.2.1/32", "/etc/network/interfaces:4 lo 2001:db8::1/64"}},
		{"an alias", files{main: "auto lo:1\niface lo:1 inet static\n address 192.0.2.1/32\n"}, []string{"/etc/network/interfaces:3 lo 192.0.2.1/32"}},
		{"commands", files{main: "iface lo inet loopback\n up ip addr add 192.0.2.1/32 dev lo || true\n post-up /sbin/ip -6 a replace 2001:db8::1/128 dev d0\n up ip address add 192.0.2.2/32\n down ip addr del 192.0.2.3/32 dev lo\n up ip route add 192.0.2.4/32 dev lo\n up ip\n up sleep 1\n"},
			[]string{"/etc/network/interfaces:2 lo 192.0.2.1/32", "/etc/network/interfaces:3 d0 2001:db8::1/128", "/etc/network/interfaces:4 lo 192.0.2.2/32"}},
		{"sourced, and a stanza ends with its file", files{main: "iface eth0 inet static\nsource interfaces.d/*\n address 192.0.2.9/32\n", "etc/network/interfaces.d/a": "# x\niface lo inet static\n address \\\n 192.0.2.1/32\n", "etc/network/interfaces.d/b": " address 192.0.2.8/32\n"},
			[]string{"/etc/network/interfaces.d/a:3 lo 192.0.2.1/32"}},
		{"ours", files{main: "source interfaces.d/*\n", "etc/network/interfaces.d/stentor": string(hostfile.Seal([]byte("iface lo inet loopback\n up ip addr replace 192.0.2.1/32 dev lo\n")))}, nil},
		{"nonsense", files{main: "address 192.0.2.1\niface\n address 192.0.2.2\niface lo\n address\n address x\n netmask\n netmask y\n"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i, err := ReadInterfaces(root(tt.files))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, lines(i.Addresses())); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestKeyfiles(t *testing.T) {
	const dir = "etc/NetworkManager/system-connections/"
	got := lines(Keyfiles(root(files{
		dir + "shared.nmconnection":  "[connection]\nid=dummy-shared\ninterface-name=shared\ntype=dummy\n\n[ipv4]\naddress1=203.0.113.10/32\naddress2=203.0.113.11/24,203.0.113.1\n# address3=203.0.113.12/32\n\n[ipv6]\naddresses=2001:db8::1/64\nmethod=manual\n",
		dir + "any":                  "[connection]\nid=any\n[ipv4]\naddress=192.0.2.1\ndns=192.0.2.53\naddress-data=192.0.2.54\naddressx=192.0.2.55\n",
		dir + "old~":                 "[ipv4]\naddress1=192.0.2.9/32\n",
		dir + "stentor.nmconnection": "[ipv4]\naddress1=192.0.2.10/32\n",
	})))
	want := []string{
		"/etc/NetworkManager/system-connections/any:4 any link 192.0.2.1/32",
		"/etc/NetworkManager/system-connections/shared.nmconnection:7 shared 203.0.113.10/32",
		"/etc/NetworkManager/system-connections/shared.nmconnection:8 shared 203.0.113.11/24",
		"/etc/NetworkManager/system-connections/shared.nmconnection:12 shared 2001:db8::1/64",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestNetworkd(t *testing.T) {
	r := root(files{
		"etc/systemd/network/30-lo.network":                   "[Match]\nName=lo\n[Network]\nAddress=203.0.113.10/32\nGateway=192.0.2.1\n[Address]\nAddress = 2001:db8::1/128\n[Route]\nAddress=192.0.2.77\n",
		"etc/systemd/network/30-lo.network.d/more.conf":       "[Network]\nAddress=192.0.2.1/32\n",
		"etc/systemd/network/30-lo.network.d/50-stentor.conf": string(hostfile.Seal([]byte("[Address]\nAddress=192.0.2.2/32\n"))),
		"etc/systemd/network/40-mac.network":                  "[Match]\nMACAddress=02::1\nType=ether\n[Network]\nAddress=192.0.2.5/24\n",
		"etc/systemd/network/50-none.network":                 "[Network]\nAddress=192.0.2.6/24\n",
		"usr/lib/systemd/network/30-lo.network":               "[Match]\nName=lo\n[Network]\nAddress=192.0.2.3/32\n",
		"run/systemd/network/10-netplan-lo.network":           "[Match]\nName=lo\n[Network]\nAddress=192.0.2.4/32\n",
	})
	want := []string{
		"/etc/systemd/network/30-lo.network:4 lo 203.0.113.10/32",
		"/etc/systemd/network/30-lo.network:7 lo 2001:db8::1/128",
		"/etc/systemd/network/30-lo.network.d/more.conf:2 lo 192.0.2.1/32",
		"/etc/systemd/network/40-mac.network:5 MACAddress=02::1 192.0.2.5/24",
		"/etc/systemd/network/50-none.network:2 any link 192.0.2.6/24",
	}
	if d := cmp.Diff(want, lines(Networkd(r))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"/run/systemd/network/10-netplan-lo.network:4 lo 192.0.2.4/32"}, lines(Network(r, "/run/systemd/network/10-netplan-lo.network"))); d != "" {
		t.Errorf("Network (-want +got):\n%s", d)
	}
	if got := Network(r, "/etc/systemd/network/none.network"); got != nil {
		t.Errorf("of a file that is not there: %v", got)
	}
}

func TestOn(t *testing.T) {
	all := []Address{{Link: "lo", Line: 1}, {Link: "eth0", Line: 2}, {Link: "lo", Line: 3}}
	if got := On("lo", all); len(got) != 2 || got[0].Line != 1 || got[1].Line != 3 {
		t.Errorf("%v", got)
	}
}

// sound checks what any content has to give.
func sound(t *testing.T, content []byte, all []Address) {
	t.Helper()
	lines := strings.Count(string(content), "\n") + 1
	for _, a := range all {
		if a.Path == "" || a.Line < 1 || a.Line > lines || !a.Prefix.IsValid() {
			t.Errorf("%+v in %d lines", a, lines)
		}
	}
}

func FuzzNetplan(f *testing.F) {
	f.Add([]byte("network:\n  ethernets:\n    lo:\n      match: {name: lo}\n      addresses:\n      - 203.0.113.10/32\n      - \"2001:db8::1/128\": {lifetime: 0}\n"))
	f.Fuzz(func(t *testing.T, content []byte) { sound(t, content, netplan("/x", content)) })
}

func FuzzKeyfile(f *testing.F) {
	f.Add([]byte("[connection]\ninterface-name=shared\n[ipv4]\naddress1=203.0.113.10/32,203.0.113.1\n"))
	f.Fuzz(func(t *testing.T, content []byte) { sound(t, content, keyfile("/x", content)) })
}

func FuzzNetwork(f *testing.F) {
	f.Add([]byte("[Match]\nName=lo\n[Network]\nAddress=203.0.113.10/32\n"))
	f.Fuzz(func(t *testing.T, content []byte) { sound(t, content, networkd("/x", linkOf(content), content)) })
}

func FuzzStanzas(f *testing.F) {
	f.Add([]byte("source x\niface lo inet static\n address 203.0.113.10\n netmask 255.255.255.255\n"), []byte("iface lo inet6 static\n up ip -6 addr add 2001:db8::1/128 dev lo\n"))
	f.Fuzz(func(t *testing.T, content, sourced []byte) {
		i, _ := ReadInterfaces(fstest.MapFS{"etc/network/interfaces": {Data: content}, "etc/network/x": {Data: sourced}})
		for _, a := range i.Addresses() {
			sound(t, append(content, sourced...), []Address{a})
		}
	})
}

package networkd

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestMatchesLo(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Match
	}{
		{"[Match]\nName=lo\n", MatchExact},
		{"[Match]\nType=loopback\n[Network]\nDHCP=yes\n", MatchExact},
		{"# x\n; y\n [Match] \n Name = lo \n", MatchExact},
		{"[Match]\nName=eth0\nName=\nName=lo\n", MatchExact},
		{"[Match]\nName=*\n", MatchWildcard},
		{"[Match]\nName=lo eth0\n", MatchWildcard},
		{"[Match]\nName=l? eth*\n", MatchWildcard},
		{"[Match]\nName=!eth0\n", MatchWildcard},
		{"[Match]\nName=!lo\n", MatchNone},
		{"[Match]\nName=!eth* l*\n", MatchNone},
		{"[Match]\nDriver=!e1000\n", MatchWildcard},
		{"[Match]\nName=*\nType=ether\n", MatchNone},
		{"[Match]\nName=lo\nMACAddress=00:00:00:00:00:01\n", MatchNone},
		{"[Match]\nName=eth0\n", MatchNone},
		{"[Match]\nName=lo\nVirtualization=!container\n", MatchConditional},
		{"[Match]\nName=lo\nHost=\n", MatchExact},
		{"[Match]\n", MatchNone},
		{"[Network]\nDHCP=yes\n", MatchNone},
		{"", MatchNone},
		{"[Match\nName=lo", MatchExact}, // systemd refuses it; taking it for theirs does no harm
	} {
		if got := MatchesLo([]byte(tt.text)); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestForLo(t *testing.T) {
	const lo, eth = "[Match]\nName=lo\n", "[Match]\nName=eth0\n"
	root := fstest.MapFS{
		"etc/systemd/network/30-lo.network":          {Data: []byte(lo)},
		"etc/systemd/network/20-masked.network":      {Data: nil},
		"run/systemd/network/20-masked.network":      {Data: []byte(lo)},
		"run/systemd/network/25-any.network":         {Data: []byte("[Match]\nName=*\n")},
		"usr/lib/systemd/network/30-lo.network":      {Data: []byte(lo)},
		"usr/lib/systemd/network/10-eth.network":     {Data: []byte(eth)},
		"etc/systemd/network/10-ours.network":        {Data: []byte(lo)},
		"etc/systemd/network/30-lo.network.d/x":      {Data: []byte(lo)},
		"etc/systemd/network/05-lo.network.dpkg-old": {Data: []byte(lo)},
	}
	got, err := ForLo(root, func(p string) bool { return strings.Contains(p, "ours") })
	if err != nil {
		t.Fatal(err)
	}
	want := []File{{"/run/systemd/network/25-any.network", MatchWildcard}, {"/etc/systemd/network/30-lo.network", MatchExact}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	root["etc/systemd/network/01-huge.network"] = &fstest.MapFile{Data: make([]byte, maxFile+1)}
	if _, err := ForLo(root, func(string) bool { return false }); err == nil {
		t.Error("no error for a huge file")
	}
}

func TestVersion(t *testing.T) {
	for name, want := range map[string]int{
		"usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so": 252,
		"lib/systemd/libsystemd-shared-247.so":                      247,
		"usr/lib/systemd/libsystemd-shared-257.9-1.fc42.so":         257,
		"usr/lib/systemd/libsystemd-shared-x.so":                    0,
	} {
		if got := Version(fstest.MapFS{name: {}}); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

func TestTraps(t *testing.T) {
	const lo = "[Match]\nName=lo\n"
	const reload = "networkd-loses-loopback warning systemd 247 /etc/systemd/network/30-lo.network: when this file changes, networkctl reload and netplan apply take 127.0.0.1 and ::1 off lo | " +
		"write [Network] and KeepConfiguration=static into /etc/systemd/network/30-lo.network.d/keep.conf"
	flaps := func(v string) string {
		return "netplan-apply note systemd " + v + " : netplan apply takes the uplink's and the shared addresses off for a moment, even when nothing has changed | " +
			"avoid it while the host serves; stentor apply never calls it"
	}
	tests := []struct {
		name, version string
		netplan       bool
		file, dropIn  string
		more          fstest.MapFS
		want          []string
	}{
		{name: "no systemd", netplan: true, file: lo},
		{name: "247", version: "247", file: lo, want: []string{reload}},
		{name: "247, nothing for lo", version: "247", file: "[Match]\nName=eth0\n"},
		{name: "247, kept", version: "247", file: lo + "[Network]\nKeepConfiguration = static\n"},
		{name: "247, kept by a drop-in", version: "247", file: lo, dropIn: "[Network]\nKeepConfiguration=yes\n"},
		{name: "247, half kept", version: "247", file: lo + "[Network]\nKeepConfiguration=dhcp\n", want: []string{reload}},
		{name: "247 and netplan", version: "247", netplan: true, file: lo, want: []string{reload, flaps("247")}},
		{name: "252", version: "252", file: lo},
		{name: "252 and netplan", version: "252", netplan: true, file: lo, want: []string{flaps("252")}},
		{name: "257 and netplan", version: "257", netplan: true, file: lo},
		{name: "a second file for lo", version: "257", file: lo, more: fstest.MapFS{
			"etc/systemd/network/40-lo.network":  {Mode: 0o644, Data: []byte(lo + "[Address]\nAddress=203.0.113.10/32\n")},
			"etc/systemd/network/50-lo.network":  {Mode: 0o644, Data: []byte(lo)},
			"etc/systemd/network/60-any.network": {Mode: 0o644, Data: []byte("[Match]\nName=*\n[Address]\nAddress=203.0.113.10/32\n")}},
			want: []string{"networkd-shadowed warning networkd /etc/systemd/network/40-lo.network: networkd does not read this file: /etc/systemd/network/30-lo.network is for lo before it, and of several files for a link the first one counts | " +
				"move its addresses to a drop-in: /etc/systemd/network/30-lo.network.d/NAME.conf"}},
		{name: "files that root alone can read", version: "257", file: lo, more: fstest.MapFS{
			"etc/systemd/network/10-eth0.network":            {Mode: 0o600, Data: []byte("[Match]\nName=eth0\n")},
			"etc/systemd/network/10-eth0.network.d/web.conf": {Mode: 0o400, Data: []byte("[Network]\n")},
			"etc/systemd/network/20-eth1.network":            {Mode: 0o640, Data: []byte("[Match]\nName=eth1\n")}},
			want: []string{
				"networkd-unreadable warning networkd /etc/systemd/network/10-eth0.network: networkd runs as a user of its own and can't read this file: its link is left unmanaged at the next start | chmod 644 /etc/systemd/network/10-eth0.network",
				"networkd-unreadable warning networkd /etc/systemd/network/10-eth0.network.d/web.conf: networkd runs as a user of its own and can't read this file: its link is left unmanaged at the next start | chmod 644 /etc/systemd/network/10-eth0.network.d/web.conf",
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{"etc/systemd/network/30-lo.network": {Mode: 0o644, Data: []byte(tt.file)}}
			maps.Copy(root, tt.more)
			if tt.version != "" {
				root["usr/lib/systemd/libsystemd-shared-"+tt.version+".so"] = &fstest.MapFile{Data: []byte("x")}
			}
			if tt.dropIn != "" {
				root["etc/systemd/network/30-lo.network.d/x.conf"] = &fstest.MapFile{Mode: 0o644, Data: []byte(tt.dropIn)}
			}
			findings, err := Traps(root, tt.netplan)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range findings {
				got = append(got, fmt.Sprintf("%s %s %s %s: %s | %s", f.Code, f.Severity, f.Object, f.Path, f.Message, f.Hint))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func FuzzMatchesLo(f *testing.F) {
	f.Add([]byte("[Match]\nName=lo eth0\nType=!loopback\nHost=x\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		m := MatchesLo(content)
		// A file in which neither name can stand is for lo alone only by mistake.
		if m == MatchExact && !strings.Contains(string(content), "lo") {
			t.Errorf("%q matches lo exactly", content)
		}
	})
}

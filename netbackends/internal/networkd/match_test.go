package networkd

import (
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

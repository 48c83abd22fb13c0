package host

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

// TestPanicked: the peer is read from the trace of the goroutine that panicked,
// and from nothing else that a program may print.
func TestPanicked(t *testing.T) {
	const about = "panic: runtime error: invalid memory address or nil pointer dereference"
	rs1 := netip.MustParseAddr("2001:db8::1")
	tests := map[string]struct {
		text, about string
		peer        netip.Addr
	}{
		"labelled":     {about + "\n[signal SIGSEGV]\n\ngoroutine 47 [running labels:{\"peer\": \"2001:db8::1\"}]:\nmain.main()\n", about, rs1},
		"among others": {about + "\ngoroutine 47 [running labels:{\"a\": \"b\", \"peer\": \"2001:db8::1\"}]:\n", about, rs1},
		"without":      {about + "\ngoroutine 47 [running]:\ngoroutine 48 [running labels:{\"peer\": \"2001:db8::1\"}]:\n", about, netip.Addr{}},
		"no address":   {about + "\ngoroutine 47 [running labels:{\"peer\": \"....\"}]:\n", about, netip.Addr{}},
		"no panic":     {"goroutine 47 [running labels:{\"peer\": \"2001:db8::1\"}]:\n", "", netip.Addr{}},
		"nothing":      {"", "", netip.Addr{}},
	}
	for name, tt := range tests {
		var text tail
		if _, err := text.Write([]byte(tt.text)); err != nil {
			t.Fatal(err)
		}
		if about, peer := text.panicked(); about != tt.about || peer != tt.peer {
			t.Errorf("%s: %q, %v", name, about, peer)
		}
	}
}

// TestShareOf: each process is asked for its peers, and for what they are told.
func TestShareOf(t *testing.T) {
	one, two := plugins.Peer{Name: "rs1", Addr: netip.MustParseAddr("192.0.2.1")}, plugins.Peer{Name: "rs2", Addr: netip.MustParseAddr("192.0.2.2")}
	all := plugins.Announcement{VIP: "all"}
	only := func(names ...string) plugins.Announcement { return plugins.Announcement{VIP: "some", Peers: names} }
	want := plugins.Speaker{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.7"), Peers: []plugins.Peer{one, two},
		Announcements: []plugins.Announcement{all, only("rs1"), only("rs2", "rs1")}}
	share := func(peers []plugins.Peer, announcements ...plugins.Announcement) plugins.Speaker {
		return plugins.Speaker{ASN: want.ASN, RouterID: want.RouterID, Peers: peers, Announcements: announcements}
	}
	tests := map[string]struct {
		want plugins.Speaker
		mine func(netip.Addr) bool
		get  plugins.Speaker
	}{
		"all":       {want, func(netip.Addr) bool { return true }, want},
		"none":      {want, func(netip.Addr) bool { return false }, plugins.Speaker{}},
		"one":       {want, func(a netip.Addr) bool { return a == one.Addr }, share([]plugins.Peer{one}, all, only("rs1"), only("rs1"))},
		"the other": {want, func(a netip.Addr) bool { return a == two.Addr }, share([]plugins.Peer{two}, all, only("rs2"))},
		"goodbye":   {plugins.Speaker{}, func(netip.Addr) bool { return false }, plugins.Speaker{}},
	}
	for name, tt := range tests {
		if d := cmp.Diff(tt.get, shareOf(tt.want, tt.mine), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if len(want.Announcements[2].Peers) != 2 {
		t.Error("the whole was changed")
	}
}

// TestMapped: a user namespace may lack the account, as in a rootless container.
func TestMapped(t *testing.T) {
	for text, want := range map[string]bool{
		"         0          0 4294967295\n": true,
		"         0       1000          1\n": false,
		"0 1000 1\n65534 165534 1\n":         true,
		"0 1000 1\n65535 165534 9\n":         false,
		"60000 165534 5534\n":                false,
		"not a map\n":                        false,
	} {
		file := filepath.Join(t.TempDir(), "map")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := mapped(file, "65534"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

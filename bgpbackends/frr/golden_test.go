package frr

import (
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func examplePeer(name, addr string, asn uint32) plugins.Peer {
	return plugins.Peer{Name: name, Addr: netip.MustParseAddr(addr), ASN: asn, Hold: 9 * time.Second, Keepalive: 3 * time.Second, ConnectRetry: 2 * time.Second, TTL: 16}
}

func examples() map[string]plugins.Speaker {
	number := func(n uint32) *uint32 { return &n }
	id := netip.MustParseAddr("192.0.2.7")
	linode := plugins.Speaker{ASN: 65001, RouterID: id,
		Peers:         []plugins.Peer{examplePeer("rs1", "2600:3c0f:4:34::1", 65000), examplePeer("rs2", "2600:3c0f:4:34::2", 65000)},
		Announcements: []plugins.Announcement{announce("203.0.113.10/32", primary), announce("2001:db8:5a:1::/64", secondary)},
	}
	full := plugins.Speaker{ASN: 65001, RouterID: id}
	ebgp, ibgp := examplePeer("tor1", "192.0.2.1", 64512), examplePeer("rr1", "192.0.2.2", 65001)
	ebgp.TTL, ebgp.TTLSecurity, ebgp.Password, ebgp.LocalAddr = 0, 1, "pass!wo#rd", id
	ebgp.BFD = &plugins.BFD{TX: 300 * time.Millisecond, RX: 250 * time.Millisecond, Multiplier: 3}
	ibgp.TTL, ibgp.Keepalive = 0, 0
	full.Peers = []plugins.Peer{ebgp, ibgp}
	everything := announce("203.0.113.10/32", primary)
	everything.Communities = append(everything.Communities, plugins.GracefulShutdown)
	everything.LargeCommunities = []plugins.LargeCommunity{{Global: 65001, Local1: 2, Local2: 3}, {Global: 65001, Local1: 1}}
	everything.MED, everything.LocalPref, everything.Prepend = number(0), number(50), 2
	hop := plugins.Announcement{Prefix: netip.MustParsePrefix("2001:db8:5a::/56"), NextHop: netip.MustParseAddr("2001:db8::7"), Peers: []string{"tor1"}}
	full.Announcements = []plugins.Announcement{everything, hop}
	return map[string]plugins.Speaker{"linode": linode, "everything": full}
}

// TestGolden renders the piece and its removal; FRR's own parser takes both.
func TestGolden(t *testing.T) {
	for name, want := range examples() {
		s, refused, err := newSpeaker(want)
		if err != nil || refused != nil {
			t.Fatalf("%s: %v, %v", name, refused, err)
		}
		none := theirs{daemons: map[string]bool{staticd: true, bfdd: true}}
		there := render(s, newPiece(), none)
		for file, script := range map[string]string{
			name + ".conf":         diff(newPiece(), there, none).all().String(),
			name + "-removal.conf": diff(there, newPiece(), none).all().String(),
		} {
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(golden), script); d != "" {
				t.Errorf("%s:\n%s", file, d)
			}
			t.Run(file, func(t *testing.T) {
				if _, err := os.Stat(defaultVTYSH); err != nil {
					t.Skipf("needs FRR: %v", err)
				}
				if out, err := exec.Command(defaultVTYSH, "-C", "-f", path).CombinedOutput(); err != nil {
					t.Errorf("FRR's parser: %v\n%s", err, out)
				}
			})
		}
	}
}

// TestNamesFollowContent: a route-map that changes must not keep its name.
func TestNamesFollowContent(t *testing.T) {
	a, b := announce("203.0.113.10/32", primary), announce("203.0.113.10/32", secondary)
	names := map[string]bool{}
	for _, x := range []plugins.Announcement{a, b} {
		s, _, err := newSpeaker(plugins.Speaker{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.7"), Announcements: []plugins.Announcement{x}})
		if err != nil {
			t.Fatal(err)
		}
		names[render(s, newPiece(), theirs{}).networks[a.Prefix]] = true
	}
	if len(names) != 2 {
		t.Errorf("both roles have the map %v", names)
	}
}

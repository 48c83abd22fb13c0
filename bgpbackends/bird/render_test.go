package bird

import (
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

var update = flag.Bool("update", false, "write the golden files anew")

func ptr(v uint32) *uint32 { return &v }

// speakers are what is rendered, by the name of the golden file.
func speakers() map[string]plugins.Speaker {
	base := plugins.Peer{
		ASN: 65000, Hold: 9 * time.Second, Keepalive: 3 * time.Second, ConnectRetry: 2 * time.Second,
	}
	peer := func(name, addr string, change func(*plugins.Peer)) plugins.Peer {
		p := base
		p.Name, p.Addr = name, netip.MustParseAddr(addr)
		if change != nil {
			change(&p)
		}
		return p
	}
	return map[string]plugins.Speaker{
		"linode": speakerOf([]plugins.Peer{
			peer("rs1", "2600:3c0f:10:34::1", func(p *plugins.Peer) { p.TTL = 16 }),
			peer("rs2", "2600:3c0f:10:34::2", func(p *plugins.Peer) { p.TTL = 16 }),
		}, announcement("198.18.0.1/32", 1), announcement("2001:db8:5a:1::/64", 2)),
		"options": speakerOf([]plugins.Peer{
			peer("tor-1", "192.0.2.1", func(p *plugins.Peer) {
				p.LocalAddr = netip.MustParseAddr("192.0.2.7")
				p.Password = "it's a {secret}; # really"
				p.TTLSecurity = 1
				p.GracefulRestart = time.Minute
			}),
			peer("far", "192.0.2.129", func(p *plugins.Peer) { p.TTLSecurity, p.Hold, p.Keepalive = 3, 0, 0 }),
			peer("link.local", "fe80::1%eth0.10", nil),
			peer("ibgp", "2001:db8::1", func(p *plugins.Peer) { p.ASN, p.ConnectRetry = 65001, 1500*time.Millisecond }),
		},
			plugins.Announcement{
				VIP: "web", Prefix: netip.MustParsePrefix("203.0.113.10/32"), NextHop: netip.MustParseAddr("192.0.2.8"),
				Communities:      []plugins.Community{plugins.GracefulShutdown, 65000<<16 | 1, 65000<<16 | 1},
				LargeCommunities: []plugins.LargeCommunity{{Global: 65001, Local1: 1, Local2: 10}},
				MED:              ptr(0), LocalPref: ptr(120), Prepend: 2, Peers: []string{"tor-1", "ibgp"},
			},
			plugins.Announcement{VIP: "dns", Prefix: netip.MustParsePrefix("2001:db8:5a:100::1/56")},
		),
		"bfd": speakerOf([]plugins.Peer{peer("tor1", "192.0.2.1", func(p *plugins.Peer) {
			p.BFD = &plugins.BFD{TX: 100 * time.Millisecond, RX: 300 * time.Millisecond, Multiplier: 3}
		})}),
		"peers-only": speakerOf([]plugins.Peer{peer("tor1", "192.0.2.1", nil)}),
	}
}

// TestGolden compares renderings with testdata, and has BIRD's own parser read
// each. With -update the goldens are written anew.
func TestGolden(t *testing.T) {
	for name, want := range speakers() {
		t.Run(name, func(t *testing.T) {
			s, refused, err := newSpeaker(want)
			if err != nil || refused != nil {
				t.Fatal(err, refused)
			}
			got, _ := renderFile(s, surroundings{})
			path := filepath.Join("testdata", name+".conf")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(golden), string(got)); diff != "" {
				t.Error(diff)
			}
			if v, _ := exec.Command(birdProgram(t), "--version").CombinedOutput(); name == "bfd" && strings.Contains(string(v), "2.0.7") {
				t.Skipf("%s has no BFD timers for a single peer", v)
			}
			parses(t, got, true)
		})
	}
}

// TestBIRDRefuses: what BIRD's parser does not take is found by parses.
func TestBIRDRefuses(t *testing.T) { parses(t, []byte("protocol static {"), false) }

func parses(t *testing.T, text []byte, want bool) {
	t.Helper()
	program := birdProgram(t)
	conf := filepath.Join(t.TempDir(), "bird.conf")
	if err := os.WriteFile(conf, append([]byte("router id 192.0.2.99;\nprotocol device {}\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "-p", "-c", conf).CombinedOutput()
	if (err == nil) != want {
		t.Errorf("bird -p: %v: %s", err, out)
	}
}

// TestRevision: each difference in what is wanted gives another revision, and
// the order in which it is written none.
func TestRevision(t *testing.T) {
	seen := map[string]string{}
	for name, want := range speakers() {
		s, _, err := newSpeaker(want)
		if err != nil {
			t.Fatal(err)
		}
		_, revision := renderFile(s, surroundings{})
		if other, double := seen[revision]; double {
			t.Errorf("%s and %s have the same revision", name, other)
		}
		seen[revision] = name
		for i, j := 0, len(want.Peers)-1; i < j; i, j = i+1, j-1 {
			want.Peers[i], want.Peers[j] = want.Peers[j], want.Peers[i]
		}
		s, _, _ = newSpeaker(want)
		if _, again := renderFile(s, surroundings{}); again != revision {
			t.Errorf("%s: peers in another order give another revision", name)
		}
	}
}

func TestRefusedPeers(t *testing.T) {
	for what, change := range map[string]func(*plugins.Peer){
		"quote":            func(p *plugins.Peer) { p.Password = `a"b` },
		"newline":          func(p *plugins.Peer) { p.Password = "a\nb" },
		"name":             func(p *plugins.Peer) { p.Name = "a'; protocol" },
		"link":             func(p *plugins.Peer) { p.Addr = netip.MustParseAddr(`fe80::1%a"b`) },
		"link-local alone": func(p *plugins.Peer) { p.Addr = netip.MustParseAddr("fe80::1") },
		"hold":             func(p *plugins.Peer) { p.Hold = 1500 * time.Millisecond },
		"keepalive":        func(p *plugins.Peer) { p.Keepalive = p.Hold },
		"family":           func(p *plugins.Peer) { p.LocalAddr = netip.MustParseAddr("::1") },
	} {
		p := plugins.Peer{Name: "tor1", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 65000, Hold: 9 * time.Second}
		change(&p)
		s, refused, err := newSpeaker(speakerOf([]plugins.Peer{p}, announcement("198.18.0.1/32", 1)))
		if err != nil || refused == nil || len(s.peers) != 0 || len(s.routes) != 1 {
			t.Errorf("%s: %+v, refused %v, %v; want the peer refused and the rest done", what, s, refused, err)
		}
		if refused != nil && p.Password != "" && strings.Contains(refused.Error(), p.Password) {
			t.Errorf("%s: %v tells the password", what, refused)
		}
	}
}

func FuzzRender(f *testing.F) {
	f.Add("rs1", "eth0", "secret", uint32(1), 16)
	f.Fuzz(func(t *testing.T, name, zone, password string, community uint32, ttl int) {
		p := plugins.Peer{Name: name, Addr: netip.MustParseAddr("fe80::1").WithZone(zone), ASN: 1, Hold: 9 * time.Second, TTL: ttl, Password: password}
		a := announcement("198.18.0.1/32", 1)
		a.Communities = []plugins.Community{plugins.Community(community)}
		s, _, err := newSpeaker(speakerOf([]plugins.Peer{p}, a))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := renderFile(s, surroundings{})
		// What can be chosen stays inside of its own quotes.
		for l := range strings.Lines(string(text)) {
			if strings.Count(l, "\"")%2 != 0 || strings.Count(l, "'")-strings.Count(password, "'")*strings.Count(l, "password") > 2 {
				t.Errorf("line %q", l)
			}
		}
		if strings.Contains(string(mask(text)), "password \""+password) {
			t.Error("the password is not hidden")
		}
	})
}

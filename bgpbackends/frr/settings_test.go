package frr

import (
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]any
		root     string
		key, msg string
	}{
		"unknown key":      {settings: map[string]any{"vtsh": "/x"}, key: "vtsh", msg: "unknown key"},
		"relative program": {settings: map[string]any{"vtysh": "vtysh"}, key: "vtysh", msg: "absolute path"},
		"relative folder":  {settings: map[string]any{"vty_socket": "run"}, key: "vty_socket", msg: "absolute path"},
		"path, not a name": {settings: map[string]any{"pathspace": "../x"}, key: "pathspace", msg: "a name"},
		"an image":         {root: "/mnt", msg: "live"},
	} {
		err := New(slog.New(slog.DiscardHandler)).Configure(t.Context(), plugins.Config{Settings: c.settings, Root: c.root})
		var bad *plugins.ConfigError
		if !errors.As(err, &bad) || bad.Key != c.key || !strings.Contains(bad.Msg, c.msg) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := newSettings(plugins.Config{Settings: map[string]any{"pathspace": "blue"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.socket("bgpd"); got != "/var/run/frr/blue/bgpd.vty" {
		t.Errorf("socket %s", got)
	}
	if d := cmp.Diff([]string{"-N", "blue"}, s.args()); d != "" {
		t.Errorf("vtysh's options:\n%s", d)
	}
}

// TestNoFRR: a host without it is told so, by every call.
func TestNoFRR(t *testing.T) {
	b := New(slog.New(slog.DiscardHandler))
	dir := t.TempDir()
	if err := b.Configure(t.Context(), plugins.Config{StateDir: dir, Settings: map[string]any{"vty_socket": dir, "vtysh": dir + "/vtysh"}}); err != nil {
		t.Fatal(err)
	}
	if d, err := b.Detect(t.Context()); err != nil || d.Score != 0 || !strings.Contains(d.Why, "not installed") {
		t.Errorf("Detect: %+v, %v", d, err)
	}
	want := plugins.Speaker{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.7"), Peers: []plugins.Peer{examplePeer("rs1", "fd00::1", 65000)}}
	if err := b.Apply(t.Context(), want); !errors.Is(err, plugins.ErrUnavailable) || !strings.Contains(err.Error(), "systemctl start frr") {
		t.Errorf("Apply: %v", err)
	}
	s, err := b.Observe(t.Context())
	if err != nil || len(s.Peers) != 1 || s.Peers[0].State != plugins.StateIdle || s.Peers[0].LastError == "" {
		t.Errorf("Observe: %+v, %v", s, err)
	}
}

func TestRefuses(t *testing.T) {
	for name, change := range map[string]func(*plugins.Peer, *plugins.Announcement){
		"a name that is no word":   func(p *plugins.Peer, _ *plugins.Announcement) { p.Name = "rs 1\nno router bgp" },
		"a link-local address":     func(p *plugins.Peer, _ *plugins.Announcement) { p.Addr = netip.MustParseAddr("fe80::1%eth0") },
		"a password with a space":  func(p *plugins.Peer, _ *plugins.Announcement) { p.Password = "a b" },
		"a password of two lines":  func(p *plugins.Peer, _ *plugins.Announcement) { p.Password = "a\nno router bgp" },
		"half a second":            func(p *plugins.Peer, _ *plugins.Announcement) { p.Hold = 3500 * time.Millisecond },
		"graceful restart":         func(p *plugins.Peer, _ *plugins.Announcement) { p.GracefulRestart = time.Minute },
		"BFD without a multiplier": func(p *plugins.Peer, _ *plugins.Announcement) { p.BFD = &plugins.BFD{TX: time.Second, RX: time.Second} },
		"a next hop of the other family": func(_ *plugins.Peer, a *plugins.Announcement) {
			a.NextHop = netip.MustParseAddr("fd00::7")
		},
		"an unknown peer": func(_ *plugins.Peer, a *plugins.Announcement) { a.Peers = []string{"rs9"} },
	} {
		p, a := examplePeer("rs1", "fd00::1", 65000), announce(vipA, primary)
		change(&p, &a)
		s, refused, err := newSpeaker(plugins.Speaker{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.7"),
			Peers: []plugins.Peer{p}, Announcements: []plugins.Announcement{a}})
		if err != nil || refused == nil || len(s.peers)+len(s.routes) != 1 {
			t.Errorf("%s: %+v, refused %v, %v", name, s, refused, err)
		}
		if refused != nil && strings.Contains(refused.Error(), "a b") {
			t.Errorf("%s: the password is told: %v", name, refused)
		}
	}
}

package gobgp

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// The addresses of the tests: the host under test, and its peers.
const (
	host6 = "fd00::7"
	host4 = "192.0.2.7" // RFC 5737
	rs1   = "fd00:1::1"
	rs2   = "fd00:1::2"
	rs3   = "fd00:1::3"
	rs4   = "fd00:1::4"
	tor4  = "127.0.4.1" // an IPv4 peer
)

// patience bounds every wait of a test; nothing that works takes that long.
const patience = 25 * time.Second

// lab is one backend with its life's context.
type lab struct {
	*testing.T
	ctx context.Context
	b   *Backend
}

func newLab(t *testing.T) *lab {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &lab{T: t, ctx: ctx, b: New(slog.New(slog.NewTextHandler(t.Output(), nil)))}
	t.Cleanup(func() {
		if err := l.b.Close(); err != nil {
			t.Error(err)
		}
		cancel()
	})
	if err := l.b.Configure(ctx, plugins.Config{}); err != nil {
		t.Fatal(err)
	}
	return l
}

// peer is a peer of AS 65000 with the timers of a Linode host.
func peer(name, addr string) plugins.Peer {
	p := plugins.Peer{
		Name: name, Addr: netip.MustParseAddr(addr), ASN: 65000,
		Hold: 9 * time.Second, Keepalive: 3 * time.Second, ConnectRetry: 2 * time.Second, TTL: 16,
	}
	if p.Addr.Is6() {
		p.LocalAddr = netip.MustParseAddr(host6)
	}
	return p
}

// announcement has the community of a role.
func announcement(prefix string, role int) plugins.Announcement {
	return plugins.Announcement{
		VIP: "web", Prefix: netip.MustParsePrefix(prefix),
		Communities: []plugins.Community{plugins.Community(65000<<16 | uint32(role))},
	}
}

func speakerOf(peers []plugins.Peer, announcements ...plugins.Announcement) plugins.Speaker {
	return plugins.Speaker{
		ASN: 65001, RouterID: netip.MustParseAddr(host4),
		Peers: peers, Announcements: announcements,
	}
}

// routeServer starts a scripted peer at addr, stopped with the test.
func (l *lab) routeServer(addr string, change func(*bgppeer.Config)) *bgppeer.Peer {
	l.Helper()
	cfg := bgppeer.Config{Listen: netip.AddrPortFrom(netip.MustParseAddr(addr), 179), ASN: 65000}
	if change != nil {
		change(&cfg)
	}
	p, err := bgppeer.Start(cfg)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		p.Close()
		if l.Failed() {
			l.Logf("peer %s saw:\n%s", addr, p.Transcript())
		}
	})
	return p
}

func (l *lab) apply(want plugins.Speaker) {
	l.Helper()
	if err := l.b.Apply(l.ctx, want); err != nil {
		l.Fatalf("Apply: %v", err)
	}
}

// until polls a condition; it fails the test with what was last seen.
func (l *lab) until(what string, cond func() (ok bool, seen any)) {
	l.Helper()
	var seen any
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		var ok bool
		if ok, seen = cond(); ok {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	l.Fatalf("waited %s for %s; last seen: %v", patience, what, seen)
}

// event waits for an Event of a scripted peer.
func (l *lab) event(p *bgppeer.Peer, what string, match func(bgppeer.Event) bool) bgppeer.Event {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.ctx, patience)
	defer cancel()
	e, err := p.Wait(ctx, match)
	if err != nil {
		l.Fatalf("waiting for %s: %v", what, err)
	}
	return e
}

// announced matches the first UPDATE that announces prefix in session n, or in
// any for 0.
func announced(prefix string, n int) func(bgppeer.Event) bool {
	p := netip.MustParsePrefix(prefix)
	return func(e bgppeer.Event) bool {
		return e.Update != nil && (n == 0 || e.Session == n) && slices.Contains(e.Update.Announced, p)
	}
}

// observe gives the state of one peer.
func (l *lab) observe(name string) plugins.PeerState {
	l.Helper()
	s, err := l.b.Observe(l.ctx)
	if err != nil {
		l.Fatalf("Observe: %v", err)
	}
	for _, p := range s.Peers {
		if p.Name == name {
			return p
		}
	}
	l.Fatalf("Observe knows no peer %s: %+v", name, s)
	return plugins.PeerState{}
}

// tells waits until Observe says that the peer was told exactly these.
func (l *lab) tells(name string, prefixes ...string) {
	l.Helper()
	want := strings.Join(prefixes, " ")
	l.until(fmt.Sprintf("%s told [%s]", name, want), func() (bool, any) {
		s := l.observe(name)
		got := make([]string, len(s.Announced))
		for i, p := range s.Announced {
			got[i] = p.String()
		}
		return strings.Join(got, " ") == want, s
	})
}

// holds waits until the scripted peer's table is exactly these.
func (l *lab) holds(p *bgppeer.Peer, prefixes ...string) {
	l.Helper()
	l.until(fmt.Sprintf("the peer to hold %v", prefixes), func() (bool, any) {
		table := p.Table()
		for _, x := range prefixes {
			if _, ok := table[netip.MustParsePrefix(x)]; !ok {
				return false, table
			}
		}
		return len(table) == len(prefixes), table
	})
}

// count counts the events that match.
func count(p *bgppeer.Peer, match func(bgppeer.Event) bool) int {
	n := 0
	for _, e := range p.Events() {
		if match(e) {
			n++
		}
	}
	return n
}

package gobgp

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// fails waits until LastError of a peer contains text.
func (l *lab) fails(name, text string) plugins.PeerState {
	l.Helper()
	var s plugins.PeerState
	l.until(name+" to fail with "+text, func() (bool, any) {
		s = l.observe(name)
		return strings.Contains(s.LastError, text), s
	})
	if s.ErrorAt.IsZero() {
		l.Errorf("%s: LastError %q has no time", name, s.LastError)
	}
	return s
}

func TestRouteServerRestarts(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	rs := settled(l)
	if err := rs.Close(); err != nil {
		t.Fatal(err)
	}
	l.fails("rs1", "connection refused")
	again := l.routeServer(rs1, nil)
	up := time.Now()
	e := l.event(again, "the route", announced(vipA, 0))
	t.Logf("told again %s after the peer listens again", e.Time.Sub(up))
	l.tells("rs1", vipA, vipB)

	// GoBGP by itself would keep the peer, and its 5 s of Idle.
	opens := uint64(0)
	err := l.b.bgp.ListPeer(l.ctx, &api.ListPeerRequest{}, func(p *api.Peer) {
		opens = p.GetState().GetMessages().GetReceived().GetOpen()
	})
	if err != nil || opens != 1 {
		t.Errorf("GoBGP counts %d OPENs (%v); the peer was not replaced", opens, err)
	}
}

func TestCease(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	// From the start: the backend may tell of the first session after all that is
	// seen of it here.
	watched := l.watch()
	rs := settled(l)
	lost := time.Now()
	rs.Hangup(bgppeer.Cease(2, "back at ten"))
	s := l.fails("rs1", `the peer sent Cease: Administrative Shutdown (6/2) saying "back at ten"`)
	if s.ErrorAt.Before(lost) {
		t.Errorf("ErrorAt %s is before the Cease at %s", s.ErrorAt, lost)
	}
	e := l.event(rs, "the route in a new session", announced(vipA, 2))
	t.Logf("told again %s after the Cease", e.Time.Sub(lost))
	deadline := time.After(patience)
	for _, want := range []string{"session established", "session lost: the peer sent Cease", "session established"} {
		for seen := false; !seen; {
			select {
			case c := <-watched:
				if c.Object == "" {
					continue // what was sent on the session
				}
				if seen = true; c.Object != "rs1" || !strings.HasPrefix(c.Why, want) || c.Lost {
					t.Errorf("Watch told %+v, want %q", c, want)
				}
			case <-deadline:
				t.Fatalf("Watch told nothing of %q", want)
			}
		}
	}
}

// watch collects Changes until the test ends.
func (l *lab) watch() <-chan plugins.Change {
	l.Helper()
	got := make(chan plugins.Change, 100)
	ctx, cancel := context.WithCancel(l.ctx)
	done := make(chan error, 1)
	go func() { done <- l.b.Watch(ctx, func(c plugins.Change) { got <- c }) }()
	l.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			l.Errorf("Watch: %v", err)
		}
	})
	l.until("Watch to begin", func() (bool, any) {
		l.b.hints.mu.Lock()
		defer l.b.hints.mu.Unlock()
		return len(l.b.hints.watchers) == 1, nil
	})
	return got
}

func TestCeaseEachTime(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	rs := l.routeServer(rs1, func(c *bgppeer.Config) { c.CeaseAtOnce = true })
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1)}, announcement(vipB, 1)))
	l.event(rs, "a third session", func(e bgppeer.Event) bool { return e.Kind == bgppeer.Established && e.Session == 3 })
	l.fails("rs1", "Cease: Administrative Reset (6/4)")
	// Who looks too late for the backoff after the third loss sees a later one.
	l.until("the backoff after three losses", func() (bool, any) {
		losses := func() (lost int, out bool) {
			l.b.mu.Lock()
			defer l.b.mu.Unlock()
			s := l.b.sessions[netip.MustParseAddr(rs1)]
			return s.tries.lost, s.out
		}
		before, out := losses()
		if before < 3 || !out {
			return false, before
		}
		s := l.observe("rs1")
		if after, out := losses(); after != before || !out {
			return false, after
		}
		if s.State != plugins.StateIdle || len(s.Announced) != 0 {
			t.Errorf("while waiting: %+v", s)
		}
		return true, s
	})
	l.apply(plugins.Speaker{}) // and a peer that waits can be removed
}

func TestOnePeerUnreachable(t *testing.T) {
	if !inNetns(t, host6, rs1, rs2) {
		return
	}
	l := newLab(t)
	rs := l.routeServer(rs1, nil)
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1), peer("rs2", rs2), peer("rs3", "fd00:9::1")}, announcement(vipB, 1)))
	l.holds(rs, vipB)
	if s := l.fails("rs2", "connection refused"); s.State != plugins.StateActive {
		t.Errorf("state is %s", s.State)
	}
	l.fails("rs3", "no route to the peer")
	second := l.routeServer(rs2, nil)
	l.holds(second, vipB)
	l.until("no error once it is up", func() (bool, any) {
		s := l.observe("rs2")
		return s.LastError == "", s
	})
}

// later moves the ledger's clock.
func (l *lab) later() *atomic.Int64 {
	var skew atomic.Int64
	l.b.ledger.now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
	return &skew
}

func TestMD5(t *testing.T) {
	if !inNetns(t, host6, rs1, rs2, rs3) {
		return
	}
	l := newLab(t)
	skew := l.later()
	keyed := func(c *bgppeer.Config) { c.MD5 = map[netip.Addr]string{netip.MustParseAddr(host6): "s3cret"} }
	right, wrong, missing := l.routeServer(rs1, keyed), l.routeServer(rs2, keyed), l.routeServer(rs3, keyed)
	peers := []plugins.Peer{peer("rs1", rs1), peer("rs2", rs2), peer("rs3", rs3)}
	peers[0].Password, peers[1].Password = "s3cret", "other"
	l.apply(speakerOf(peers, announcement(vipB, 1)))
	l.holds(right, vipB)
	skew.Store(int64(stuckAfter))
	for _, name := range []string{"rs2", "rs3"} {
		if s := l.fails(name, "no answer in 15 s (check password, TTL, reachability)"); s.State != plugins.StateActive {
			t.Errorf("%s is %s", name, s.State)
		}
	}
	if n := len(wrong.Events()) + len(missing.Events()); n != 0 {
		t.Errorf("%d connections with a wrong or missing key", n)
	}
	l.tells("rs1", vipB)
}

func TestMutePeer(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	skew := l.later()
	rs := l.routeServer(rs1, func(c *bgppeer.Config) { c.Mute = true })
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1)}, announcement(vipB, 1)))
	l.event(rs, "the connection", func(e bgppeer.Event) bool { return e.Kind == bgppeer.Accepted })
	skew.Store(int64(stuckAfter))
	l.fails("rs1", "no OPEN from the peer")
}

func TestHoldTimer(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	rs := l.routeServer(rs1, func(c *bgppeer.Config) { c.Hold = 3 * time.Second })
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1)}, announcement(vipB, 1)))
	l.holds(rs, vipB)
	rs.Silence()
	l.event(rs, "Hold Timer Expired", func(e bgppeer.Event) bool { return e.Notification != nil && e.Notification.Code == 4 })
	l.fails("rs1", "no KEEPALIVE")
}

func TestWrongASN(t *testing.T) {
	if !inNetns(t, host6, rs1, rs2) {
		return
	}
	l := newLab(t)
	theirs := l.routeServer(rs1, func(c *bgppeer.Config) { c.ASN = 65010 })
	ours := l.routeServer(rs2, func(c *bgppeer.Config) { c.KeepaliveDelay = time.Hour })
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1), peer("rs2", rs2)}, announcement(vipB, 1)))
	l.event(theirs, "NOTIFICATION 2/2", func(e bgppeer.Event) bool {
		return e.Notification != nil && e.Notification.Code == 2 && e.Notification.Subcode == 2
	})
	l.fails("rs1", "we sent OPEN Message Error: Bad Peer AS; check the AS numbers on both sides (2/2)")

	l.event(ours, "OPEN", func(e bgppeer.Event) bool { return e.Open != nil })
	l.until("OpenConfirm", func() (bool, any) {
		s := l.observe("rs2")
		return s.State == plugins.StateOpenConfirm, s
	})
	ours.Hangup(bgppeer.Error(2, 2))
	l.fails("rs2", "the peer refused our OPEN; check the AS numbers")
}

func TestSameRouterID(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t) // eBGP speakers may have the same (RFC 6286)
	rs := l.routeServer(rs1, func(c *bgppeer.Config) { c.RouterID = netip.MustParseAddr(host4) })
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1)}, announcement(vipB, 1)))
	l.holds(rs, vipB)
}

package gobgp

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

func TestMalformed(t *testing.T) {
	if !inNetns(t, host6, rs1, rs2) {
		return
	}
	l := newLab(t)
	good := l.routeServer(rs2, nil)
	l.apply(speakerOf([]plugins.Peer{peer("rs2", rs2)}, announcement(vipB, 1)))
	l.holds(good, vipB)
	since := l.observe("rs2").Since
	for _, c := range []struct {
		name      string
		open      func(*bgppeer.Config)
		raw       []byte // sent once the session is up
		code, sub uint8  // of the NOTIFICATION; 0 means that the session stays
	}{
		{name: "length 18", raw: bgppeer.BadLength(18), code: 1, sub: 2},
		// GoBGP waits for the rest, which does not come within the Hold Time.
		{name: "length 4097", open: func(c *bgppeer.Config) { c.Hold = 3 * time.Second }, raw: bgppeer.BadLength(4097), code: 4},
		{name: "truncated OPEN", open: func(c *bgppeer.Config) { c.RawOpen = bgppeer.TruncatedOpen(*c) }, code: 1, sub: 2},
		{name: "Hold Time 1", open: func(c *bgppeer.Config) { c.Hold = time.Second }, code: 2, sub: 6},
		{name: "ORIGIN of 3 octets", raw: bgppeer.LongOrigin(bgppeer.Config{ASN: 65000})}, // treated as withdrawal (RFC 7606)
		{name: "bad marker", raw: bgppeer.BadMarker()},                                    // GoBGP does not look at it
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &lab{T: t, ctx: l.ctx, b: l.b}
			bad := l.routeServer(rs1, func(cfg *bgppeer.Config) {
				if c.open != nil {
					c.open(cfg)
				}
			})
			l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1), peer("rs2", rs2)}, announcement(vipB, 1)))
			if c.raw != nil {
				l.holds(bad, vipB)
				bad.Send(c.raw)
			}
			if c.code != 0 {
				l.event(bad, "a NOTIFICATION", func(e bgppeer.Event) bool {
					return e.Notification != nil && e.Notification.Code == c.code && e.Notification.Subcode == c.sub
				})
			} else {
				l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1), peer("rs2", rs2)}, announcement(vipA, 1), announcement(vipB, 1)))
				l.event(bad, "an UPDATE in the same session", announced(vipA, 1))
			}
			l.apply(speakerOf([]plugins.Peer{peer("rs2", rs2)}, announcement(vipB, 1)))
			bad.Close()
			if s := l.observe("rs2"); s.State != plugins.StateEstablished || !s.Since.Equal(since) {
				t.Errorf("the other session did not stay: %+v", s)
			}
		})
	}
}

// residentKiB is this process's memory (proc(5), VmRSS).
func residentKiB(t *testing.T) int {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

func TestPeerSendsRoutes(t *testing.T) {
	if !inNetns(t, host6, rs1, rs2, rs3) {
		return
	}
	l := newLab(t)
	const table = 100_000
	full := l.routeServer(rs1, func(c *bgppeer.Config) { c.Routes = table })
	internal := l.routeServer(rs3, func(c *bgppeer.Config) { c.ASN, c.Routes = 65001, 100 })
	other := l.routeServer(rs2, nil)
	ibgp := peer("rs3", rs3)
	ibgp.ASN = 65001
	before := residentKiB(t)
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1), peer("rs2", rs2), ibgp}, announcement(vipB, 1)))
	l.until("the routes to arrive", func() (bool, any) {
		one, three := l.observe("rs1"), l.observe("rs3")
		return one.Received == table && three.Received == 100, []any{one, three}
	})
	t.Logf("resident before %d KiB, after %d routes %d KiB (the scripted peers included)", before, table, residentKiB(t))
	// Our own still go out, and nothing of theirs does.
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1), peer("rs2", rs2), ibgp}, announcement(vipA, 1), announcement(vipB, 1)))
	for _, p := range []*bgppeer.Peer{full, other, internal} {
		l.holds(p, vipA, vipB)
		if n := count(p, func(e bgppeer.Event) bool { return e.Kind == bgppeer.Accepted }); n != 1 {
			t.Errorf("%d sessions, want 1", n)
		}
	}
}

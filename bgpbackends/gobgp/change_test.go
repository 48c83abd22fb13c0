package gobgp

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

const (
	vipA = "198.51.100.9/32"
	vipB = "2001:db8:5a:1::/64"
)

func isUpdate(e bgppeer.Event) bool { return e.Kind == bgppeer.UpdateReceived }

// updates gives the UPDATEs in order.
func updates(p *bgppeer.Peer) []bgppeer.Update {
	var list []bgppeer.Update
	for _, e := range p.Events() {
		if e.Update != nil {
			list = append(list, *e.Update)
		}
	}
	return list
}

// settled starts a session with two prefixes told, and gives the peer.
func settled(l *lab, peers ...plugins.Peer) *bgppeer.Peer {
	l.Helper()
	rs := l.routeServer(rs1, nil)
	l.apply(speakerOf(append([]plugins.Peer{peer("rs1", rs1)}, peers...), announcement(vipA, 1), announcement(vipB, 1)))
	l.holds(rs, vipA, vipB)
	l.tells("rs1", vipA, vipB)
	return rs
}

func TestChangeKeepsSession(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	rs := settled(l)
	peers := []plugins.Peer{peer("rs1", rs1)}
	before := l.observe("rs1")

	// The same again sends nothing; the count of UPDATEs below would tell.
	l.apply(speakerOf(peers, announcement(vipA, 1), announcement(vipB, 1)))
	l.apply(speakerOf(peers, announcement(vipA, 2), announcement(vipB, 1)))
	l.event(rs, "the secondary's community", func(e bgppeer.Event) bool {
		return e.Update != nil && slices.Equal(e.Update.Communities, []uint32{65000<<16 | 2})
	})
	if got := updates(rs)[2:]; len(got) != 1 || len(got[0].Withdrawn) != 0 || len(got[0].Announced) != 1 {
		t.Errorf("want one UPDATE, the implicit replacement, got %+v", got)
	}

	drained := announcement(vipA, 2)
	drained.Communities = append(drained.Communities, plugins.GracefulShutdown, plugins.GracefulShutdown)
	l.apply(speakerOf(peers, drained, announcement(vipB, 1)))
	l.event(rs, "GRACEFUL_SHUTDOWN", func(e bgppeer.Event) bool {
		return e.Update != nil && slices.Equal(e.Update.Communities, []uint32{65000<<16 | 2, 0xffff0000})
	})

	l.apply(speakerOf(peers, announcement(vipB, 1)))
	l.holds(rs, vipB)
	last := updates(rs)[len(updates(rs))-1]
	if !slices.Equal(last.Withdrawn, []netip.Prefix{netip.MustParsePrefix(vipA)}) || len(last.Announced) != 0 {
		t.Errorf("want a withdrawal of %s alone, got %+v", vipA, last)
	}
	l.tells("rs1", vipB)

	after := l.observe("rs1")
	if after.Since != before.Since || after.State != plugins.StateEstablished {
		t.Errorf("the session did not stay: %+v, before %+v", after, before)
	}
	if n := count(rs, func(e bgppeer.Event) bool { return e.Kind == bgppeer.Accepted }); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestChangeOfPeers(t *testing.T) {
	if !inNetns(t, host6, host4, rs1, rs2) {
		return
	}
	l := newLab(t)
	second := l.routeServer(rs2, nil)
	rs := settled(l, peer("rs2", rs2))
	l.holds(second, vipA, vipB)
	l.tells("rs2", vipA, vipB)
	connections := func(p *bgppeer.Peer) int {
		return count(p, func(e bgppeer.Event) bool { return e.Kind == bgppeer.Accepted })
	}

	renamed, slower := peer("one", rs1), peer("rs2", rs2)
	slower.ConnectRetry = 7 * time.Second
	l.apply(speakerOf([]plugins.Peer{renamed, slower}, announcement(vipA, 1), announcement(vipB, 1)))
	l.tells("one", vipA, vipB)
	l.tells("rs2", vipA, vipB)
	if connections(rs) != 1 || connections(second) != 1 {
		t.Error("a new name or connect retry cost a session")
	}

	slower.Hold, slower.Keepalive = 12*time.Second, 4*time.Second
	l.apply(speakerOf([]plugins.Peer{renamed, slower}, announcement(vipA, 1), announcement(vipB, 1)))
	open := l.event(second, "an OPEN with the new Hold Time", func(e bgppeer.Event) bool {
		return e.Open != nil && e.Session == 2
	})
	if open.Open.Hold != 12*time.Second {
		t.Errorf("Hold Time offered is %s", open.Open.Hold)
	}
	l.tells("rs2", vipA, vipB)
	if connections(rs) != 1 {
		t.Error("another peer's change cost a session")
	}

	l.apply(speakerOf([]plugins.Peer{renamed}, announcement(vipA, 1), announcement(vipB, 1)))
	l.event(second, "a Cease", func(e bgppeer.Event) bool {
		return e.Notification != nil && e.Notification.Code == 6 && e.Session == 2
	})
	state, err := l.b.Observe(l.ctx)
	if err != nil || len(state.Peers) != 1 {
		t.Errorf("Observe after a peer was removed: %+v, %v", state, err)
	}
	if connections(rs) != 1 {
		t.Error("another peer's removal cost a session")
	}

	other := speakerOf([]plugins.Peer{renamed}, announcement(vipA, 1), announcement(vipB, 1))
	other.RouterID = netip.MustParseAddr("192.0.2.8")
	plan, err := l.b.Plan(l.ctx, other)
	if err != nil || len(plan.Steps) != 1 || plan.Steps[0].Verb != "restart" {
		t.Errorf("Plan of another router ID: %+v, %v", plan, err)
	}
	l.apply(other)
	open = l.event(rs, "an OPEN with the new router ID", func(e bgppeer.Event) bool { return e.Open != nil && e.Session == 2 })
	if open.Open.RouterID != other.RouterID {
		t.Errorf("router ID is %s", open.Open.RouterID)
	}
	l.holds(rs, vipA, vipB)
}

func TestStop(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	rs := settled(l)
	l.apply(plugins.Speaker{})
	l.event(rs, "the end of the session", func(e bgppeer.Event) bool { return e.Kind == bgppeer.Closed })
	var order []string
	for _, e := range rs.Events() {
		switch {
		case e.Update != nil && len(e.Update.Withdrawn) > 0:
			order = append(order, "withdraw "+e.Update.Withdrawn[0].String())
		case e.Notification != nil:
			order = append(order, "cease")
		}
	}
	want := []string{"withdraw " + vipA, "withdraw " + vipB, "cease"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("the peer saw (-want +got):\n%s", diff)
	}
	l.apply(plugins.Speaker{})
	if s, err := l.b.Observe(l.ctx); err != nil || len(s.Peers) != 0 {
		t.Errorf("Observe of nothing: %+v, %v", s, err)
	}
	if p, err := l.b.Plan(l.ctx, plugins.Speaker{}); err != nil || len(p.Steps) != 0 {
		t.Errorf("Plan of nothing: %+v, %v", p, err)
	}

	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1)}, announcement(vipA, 1)))
	l.holds(rs, vipA)
}

func TestApplyCutOff(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	rs := l.routeServer(rs1, nil)
	var many []plugins.Announcement
	var all []string
	for i := range 500 {
		a := announcement(netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 32).String(), 1)
		many, all = append(many, a), append(all, a.Prefix.String())
	}
	want := speakerOf([]plugins.Peer{peer("rs1", rs1)}, many...)
	for cut := 1; ; cut *= 2 {
		ctx := &cutContext{Context: l.ctx, left: cut}
		err := l.b.Apply(ctx, want)
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("Apply cut off: %v", err)
		}
	}
	l.holds(rs, all...)
	if n := count(rs, isUpdate); n != len(all) {
		t.Errorf("%d UPDATEs for %d prefixes", n, len(all))
	}
}

// cutContext is canceled after so many looks at it.
type cutContext struct {
	context.Context
	left int
}

func (c *cutContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestRefusedPartsDoNotHoldUpTheRest(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	rs := settled(l)
	restless := peer("rs2", rs2)
	restless.Hold = 0
	bad := announcement("2001:db8:5a:2::/64", 1)
	bad.NextHop = netip.MustParseAddr(host4)
	err := l.b.Apply(l.ctx, speakerOf([]plugins.Peer{peer("rs1", rs1), restless}, announcement(vipB, 1), bad))
	if !errors.Is(err, plugins.ErrUnsupported) {
		t.Errorf("Apply with a Hold Time of 0: %v", err)
	}
	l.holds(rs, vipB)
}

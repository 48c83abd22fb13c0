package gobgp

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// noRFC8950 fails the test if an IPv4 prefix ever had an IPv6 next hop.
func noRFC8950(t *testing.T, p *bgppeer.Peer) {
	t.Helper()
	for _, u := range updates(p) {
		for _, x := range u.Announced {
			if x.Addr().Is4() && u.NextHop.Is6() {
				t.Errorf("%s was sent with the next hop %s", x, u.NextHop)
			}
		}
	}
}

// nextHop is that of a prefix in the peer's table.
func nextHop(p *bgppeer.Peer, prefix string) netip.Addr {
	return p.Table()[netip.MustParsePrefix(prefix)].NextHop
}

func TestNoExtendedNextHop(t *testing.T) {
	if !inNetns(t, host6, rs1, rs2) {
		return
	}
	l := newLab(t)
	old := l.routeServer(rs1, func(c *bgppeer.Config) { c.NoExtendedNextHop = true })
	modern := l.routeServer(rs2, nil)
	explicit := announcement("198.51.100.10/32", 1)
	explicit.NextHop = netip.MustParseAddr("192.0.2.99")
	hop6 := announcement("198.51.100.11/32", 1)
	hop6.NextHop = netip.MustParseAddr("fd00::99")
	want := speakerOf([]plugins.Peer{peer("rs1", rs1), peer("rs2", rs2)}, announcement(vipA, 1), announcement(vipB, 1), explicit, hop6)
	l.apply(want)
	l.holds(modern, vipA, vipB, "198.51.100.10/32", "198.51.100.11/32")
	l.holds(old, vipB, "198.51.100.10/32")
	l.until("the reason for what is not sent", func() (bool, any) {
		s := l.observe("rs1")
		return strings.HasPrefix(s.LastError, vipA+" and 1 more are not sent: the peer does not take an IPv6 next hop"), s
	})

	// The host gets an address of its own, the same Apply again uses it.
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := netlink.ParseAddr(host4 + "/32")
	if err := netlink.AddrAdd(lo, addr); err != nil {
		t.Fatal(err)
	}
	l.apply(want)
	l.holds(old, vipA, vipB, "198.51.100.10/32")
	if hop := nextHop(old, vipA); hop.String() != host4 {
		t.Errorf("next hop of %s is %s", vipA, hop)
	}
	l.until("the reason for the one with an IPv6 next hop", func() (bool, any) {
		s := l.observe("rs1")
		return strings.HasPrefix(s.LastError, "198.51.100.11/32 is not sent"), s
	})

	// An announced route that may not be sent any more is withdrawn.
	want.Announcements[0].NextHop = netip.MustParseAddr("fd00::99")
	l.apply(want)
	l.holds(old, vipB, "198.51.100.10/32")
	l.until("the new next hop at the other peer", func() (bool, any) {
		hop := nextHop(modern, vipA)
		return hop.String() == "fd00::99", hop
	})
	noRFC8950(t, old)
}

// A shared address is no next hop, even if the kernel would take it.
func TestSharedAddressIsNoNextHop(t *testing.T) {
	if !inNetns(t, host6, rs1, "198.51.100.9") {
		return
	}
	l := newLab(t)
	old := l.routeServer(rs1, func(c *bgppeer.Config) { c.NoExtendedNextHop = true })
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1)}, announcement(vipA, 1), announcement(vipB, 1)))
	l.holds(old, vipB)
	l.until("a reason", func() (bool, any) {
		s := l.observe("rs1")
		return strings.HasPrefix(s.LastError, vipA+" is not sent: "), s
	})
}

// The peer's KEEPALIVE comes late, so the capabilities are known before GoBGP
// sends its table; in the other tests it is the other way round as a rule.
func TestCapabilitiesKnownEarly(t *testing.T) {
	if !inNetns(t, host6, host4, rs1, rs2) {
		return
	}
	l := newLab(t)
	late := func(c *bgppeer.Config) { c.KeepaliveDelay = 200 * time.Millisecond }
	modern := l.routeServer(rs1, late)
	old := l.routeServer(rs2, func(c *bgppeer.Config) {
		late(c)
		c.NoExtendedNextHop = true
	})
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1), peer("rs2", rs2)}, announcement(vipA, 1), announcement(vipB, 1)))
	for _, p := range []*bgppeer.Peer{modern, old} {
		l.holds(p, vipA, vipB)
		if n := count(p, isUpdate); n != 2 {
			t.Errorf("%d UPDATEs for 2 prefixes:\n%s", n, p.Transcript())
		}
	}
	if hop := nextHop(modern, vipA); hop.String() != host6 {
		t.Errorf("with RFC 8950 the next hop of %s is %s", vipA, hop)
	}
	if hop := nextHop(old, vipA); hop.String() != host4 {
		t.Errorf("without RFC 8950 the next hop of %s is %s", vipA, hop)
	}
}

func TestFamiliesNotNegotiated(t *testing.T) {
	if !inNetns(t, host6, rs1, rs2) {
		return
	}
	l := newLab(t)
	no6 := l.routeServer(rs1, func(c *bgppeer.Config) { c.NoIPv6 = true })
	no4 := l.routeServer(rs2, func(c *bgppeer.Config) { c.NoIPv4, c.NoExtendedNextHop = true, true })
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1), peer("rs2", rs2)}, announcement(vipA, 1), announcement(vipB, 1)))
	l.holds(no6, vipA)
	l.holds(no4, vipB)
	for name, why := range map[string]string{
		"rs1": vipB + " is not sent: the peer did not negotiate IPv6 unicast",
		"rs2": vipA + " is not sent: the peer did not negotiate IPv4 unicast",
	} {
		l.until("the reason at "+name, func() (bool, any) {
			s := l.observe(name)
			return s.LastError == why, s
		})
	}
}

func TestIPv6OverIPv4Session(t *testing.T) {
	if !inNetns(t, host4, tor4, host6) {
		return
	}
	l := newLab(t)
	tor := l.routeServer(tor4, nil)
	p := peer("tor", tor4)
	p.LocalAddr = netip.MustParseAddr(host4)
	l.apply(speakerOf([]plugins.Peer{p}, announcement(vipA, 1), announcement(vipB, 1)))
	l.holds(tor, vipA, vipB)
	if hop := nextHop(tor, vipA); hop.String() != host4 {
		t.Errorf("next hop of %s is %s", vipA, hop)
	}
	if hop := nextHop(tor, vipB); !hop.Is6() || hop.Is4In6() || hop.IsLinkLocalUnicast() {
		t.Errorf("next hop of %s is %s", vipB, hop)
	}
}

func TestIPv6OverIPv4SessionWithoutIPv6(t *testing.T) {
	if !inNetns(t, host4, tor4) {
		return
	}
	l := newLab(t)
	tor := l.routeServer(tor4, nil)
	l.apply(speakerOf([]plugins.Peer{peer("tor", tor4)}, announcement(vipA, 1), announcement(vipB, 1)))
	l.holds(tor, vipA)
	l.until("a reason", func() (bool, any) {
		s := l.observe("tor")
		return s.LastError == vipB+" is not sent: this host has no IPv6 address of its own to give as next hop", s
	})
}

func TestGracefulRestartCapability(t *testing.T) {
	if !inNetns(t, host6, rs1, rs2) {
		return
	}
	l := newLab(t)
	gr := func(c *bgppeer.Config) { c.GracefulRestart = time.Minute }
	off, on := l.routeServer(rs1, gr), l.routeServer(rs2, gr)
	p := peer("rs2", rs2)
	p.GracefulRestart = 5 * time.Second
	l.apply(speakerOf([]plugins.Peer{peer("rs1", rs1), p}, announcement(vipB, 1)))
	isOpen := func(e bgppeer.Event) bool { return e.Open != nil }
	if v, ok := l.event(off, "OPEN", isOpen).Open.Capability(bgppeer.CapGracefulRestart); ok {
		t.Errorf("graceful restart is off, and offered as % x", v)
	}
	v, ok := l.event(on, "OPEN", isOpen).Open.Capability(bgppeer.CapGracefulRestart)
	if !ok || len(v) < 2 || v[0]&0x40 != 0 || int(v[0]&0x0f)<<8|int(v[1]) != 5 {
		t.Errorf("graceful restart capability is % x, want time 5 and no N bit", v)
	}
	isEnd := func(e bgppeer.Event) bool { return e.Update != nil && e.Update.EndOfRIB }
	l.event(on, "End-of-RIB", isEnd)
	l.holds(on, vipB)
	l.holds(off, vipB)
	if count(off, isEnd) > 0 {
		t.Error("End-of-RIB to a peer without graceful restart")
	}
	l.apply(plugins.Speaker{}) // a clean stop withdraws, graceful restart or not
	l.event(on, "a withdrawal", func(e bgppeer.Event) bool { return e.Update != nil && len(e.Update.Withdrawn) > 0 })
}

// While GoBGP holds its table back after a start with graceful restart, it holds
// withdrawals back too, and never sends them: a route must not be out by then.
func TestWithdrawnWhileDeferring(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	rs := l.routeServer(rs1, func(c *bgppeer.Config) { c.GracefulRestart = time.Minute })
	p := peer("rs1", rs1)
	p.GracefulRestart = 5 * time.Second
	l.apply(speakerOf([]plugins.Peer{p}, announcement(vipA, 1), announcement(vipB, 1)))
	l.event(rs, "the session", func(e bgppeer.Event) bool { return e.Kind == bgppeer.Established })
	l.until("its OPEN", func() (bool, any) {
		l.b.mu.Lock()
		defer l.b.mu.Unlock()
		return l.b.sessions[p.Addr].caps != nil, nil
	})

	// As if the peer's OPEN had been looked at too late for the first table.
	l.b.mu.Lock()
	s := l.b.sessions[p.Addr]
	caps := s.caps
	s.caps = nil
	_, err := l.b.setPolicy(l.ctx)
	s.caps = caps
	l.b.release(s)
	l.b.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	l.apply(speakerOf([]plugins.Peer{p}, announcement(vipB, 1)))
	l.holds(rs, vipB)
}

// What one session has learned is not believed in the next.
func TestCapabilityLostBetweenSessions(t *testing.T) {
	if !inNetns(t, host6, rs1) {
		return
	}
	l := newLab(t)
	rs := settled(l)
	if err := rs.Close(); err != nil {
		t.Fatal(err)
	}
	old := l.routeServer(rs1, func(c *bgppeer.Config) { c.NoExtendedNextHop = true })
	l.holds(old, vipB)
	l.tells("rs1", vipB)
	l.fails("rs1", vipA+" is not sent: ")
	noRFC8950(t, old)
}

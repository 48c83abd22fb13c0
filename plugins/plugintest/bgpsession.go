package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// servers starts the first n route servers alike.
func (r *bgpRig) startServers(n int, change ...func(*bgppeer.Config)) ([]*bgppeer.Peer, []plugins.Peer, error) {
	var servers []*bgppeer.Peer
	var peers []plugins.Peer
	for i := 1; i <= n; i++ {
		s, err := r.server(i, change...)
		if err != nil {
			return nil, nil, err
		}
		servers, peers = append(servers, s), append(peers, r.peer(i))
	}
	return servers, peers, nil
}

// allHold waits until each of the route servers holds exactly these.
func (r *bgpRig) allHold(ctx context.Context, servers []*bgppeer.Peer, prefixes ...netip.Prefix) error {
	for _, s := range servers {
		if _, err := r.holds(ctx, s, prefixes...); err != nil {
			return err
		}
	}
	return nil
}

// oneSession expects that the route server never saw another connection.
func oneSession(s *bgppeer.Peer) error {
	if n := count(s, isA(bgppeer.Accepted)); n != 1 {
		return fmt.Errorf("%s saw %d connections, want one", s.Addr().Addr(), n)
	}
	return nil
}

func caseChangePeers(ctx context.Context, r *bgpRig) error {
	servers, peers, err := r.startServers(3)
	if err != nil {
		return err
	}
	want := []plugins.Announcement{role(vip4, 1), role(vip6, 1)}
	if err := r.settled(ctx, servers[0], speakerOf(peers[:2], want...)); err != nil {
		return err
	}
	if err := r.allHold(ctx, servers[:2], vip4, vip6); err != nil {
		return err
	}
	if err := r.apply(ctx, speakerOf([]plugins.Peer{peers[0], peers[2]}, want...)); err != nil {
		return err
	}
	_, err = r.event(ctx, servers[1], "a Cease", func(e bgppeer.Event) bool { return e.Notification != nil && e.Notification.Code == 6 })
	if err != nil {
		return err
	}
	if err := r.allHold(ctx, []*bgppeer.Peer{servers[0], servers[2]}, vip4, vip6); err != nil {
		return err
	}
	if err := r.told(ctx, "rs3", vip4, vip6); err != nil {
		return err
	}
	states, err := r.observe(ctx)
	if err == nil && len(states) != 2 {
		err = fmt.Errorf("with two peers its Observe tells %+v", states)
	}
	return errors.Join(err, oneSession(servers[0]))
}

func caseBGPMany(ctx context.Context, r *bgpRig) error {
	const n = 1000
	servers, peers, err := r.startServers(bgpServers)
	if err != nil {
		return err
	}
	var all []netip.Prefix
	wants := [2]plugins.Speaker{speakerOf(peers), speakerOf(peers)}
	for i := range n {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 32)
		all = append(all, p)
		for j := range wants {
			wants[j].Announcements = append(wants[j].Announcements, role(p, j+1))
		}
	}
	if err := r.hold(wants[0]); err != nil {
		return err
	}
	for j, what := range []string{"announced", "changed"} {
		began := time.Now()
		if err := r.apply(ctx, wants[j]); err != nil {
			return err
		}
		err := r.until(ctx, fmt.Sprintf("%d prefixes to be %s", n, what), func() error {
			for _, s := range servers {
				table := s.Table()
				for _, p := range all {
					if !slices.Equal(table[p].Communities, []uint32{serverASN<<16 | uint32(j+1)}) {
						return fmt.Errorf("%s holds %s with communities %v", s.Addr().Addr(), p, table[p].Communities)
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		r.figure(fmt.Sprintf("%d prefixes %s at %d servers after", n, what, len(servers)), time.Since(began))
	}
	for _, s := range servers {
		sent, last := map[netip.Prefix]int{}, map[netip.Prefix][]uint32{}
		for _, e := range s.Events() {
			if e.Update == nil {
				continue
			}
			for _, p := range e.Update.Announced {
				now := e.Update.Attributes.Communities
				if !r.under.Repeats || !slices.Equal(last[p], now) {
					sent[p]++
				}
				last[p] = now
			}
			if len(e.Update.Withdrawn) > 0 {
				return fmt.Errorf("%d were withdrawn for a change of role", len(e.Update.Withdrawn))
			}
		}
		for p, times := range sent {
			if times != 2 {
				return fmt.Errorf("%s was announced %d times to %s, want once for each role", p, times, s.Addr().Addr())
			}
		}
		if err := oneSession(s); err != nil {
			return err
		}
	}
	return nil
}

func caseNoIPv6(ctx context.Context, r *bgpRig) error {
	s, err := r.server(1, func(c *bgppeer.Config) { c.NoIPv6 = true })
	if err != nil {
		return err
	}
	want := speakerOf([]plugins.Peer{r.peer(1)}, role(vip4, 1), role(vip6, 1))
	if err := r.apply(ctx, want); err != nil {
		return err
	}
	if _, err := r.holds(ctx, s, vip4); err != nil {
		return err
	}
	_, err = r.tells(ctx, "rs1", "told "+vip4.String()+" alone, and something about IPv6", func(s plugins.PeerState) bool {
		return slices.Equal(s.Announced, []netip.Prefix{vip4}) &&
			(strings.Contains(s.LastError, "IPv6") || strings.Contains(s.LastError, vip6.String()))
	})
	return err
}

func caseNoExtendedNextHop(ctx context.Context, r *bgpRig) error {
	s, err := r.server(1, func(c *bgppeer.Config) { c.NoExtendedNextHop = true })
	if err != nil {
		return err
	}
	want := speakerOf([]plugins.Peer{r.peer(1)}, role(vip4, 1), role(vip6, 1))
	if err := r.apply(ctx, want); err != nil {
		return err
	}
	err = r.until(ctx, vip4.String()+" with an IPv4 next hop, or a word of why it is not sent", func() error {
		states, err := r.observe(ctx)
		if err != nil {
			return err
		}
		table, state := s.Table(), states["rs1"]
		if _, ok := table[vip6]; !ok {
			return fmt.Errorf("%s is not announced", vip6)
		}
		if a, ok := table[vip4]; ok && a.NextHop.Is4() {
			return nil
		}
		if !slices.Contains(state.Announced, vip4) && strings.Contains(state.LastError, vip4.String()) {
			return nil
		}
		return fmt.Errorf("it is not there, and Observe tells %+v", state)
	})
	for _, e := range s.Events() {
		if announces(e, vip4) && e.Update.NextHop.Is6() {
			return fmt.Errorf("%s was sent with the next hop %s", vip4, e.Update.NextHop)
		}
	}
	return err
}

func caseSameRouterID(ctx context.Context, r *bgpRig) error {
	s, err := r.server(1, func(c *bgppeer.Config) { c.RouterID = bgpHost4 })
	if err != nil {
		return err
	}
	return r.settled(ctx, s, speakerOf([]plugins.Peer{r.peer(1)}, role(vip6, 1)))
}

// noStorm waits for the fourth connection and expects that it did not come at once.
// Slow is fine: a machine that is busy makes it slower still.
func (r *bgpRig) noStorm(ctx context.Context, s *bgppeer.Peer) error {
	nth := func(n int) (time.Time, error) {
		e, err := r.event(ctx, s, fmt.Sprintf("connection %d", n), func(e bgppeer.Event) bool {
			return e.Kind == bgppeer.Accepted && e.Session == n
		})
		return e.Time, err
	}
	first, err := nth(1)
	if err != nil {
		return err
	}
	fourth, err := nth(4)
	if err != nil {
		return err
	}
	took := fourth.Sub(first)
	r.figure("four connections in", took)
	if took < time.Second {
		return fmt.Errorf("it connected four times in %s", took)
	}
	return nil
}

func caseWrongAS(ctx context.Context, r *bgpRig) error {
	s, err := r.server(1, func(c *bgppeer.Config) { c.ASN = 65010 })
	if err != nil {
		return err
	}
	if err := r.apply(ctx, speakerOf([]plugins.Peer{r.peer(1)}, role(vip6, 1))); err != nil {
		return err
	}
	_, err = r.event(ctx, s, "NOTIFICATION 2/2", func(e bgppeer.Event) bool {
		return e.Notification != nil && e.Notification.Code == 2 && e.Notification.Subcode == 2
	})
	if err != nil {
		return err
	}
	_, err = r.tells(ctx, "rs1", "something about the AS number", func(s plugins.PeerState) bool {
		return s.State != plugins.StateEstablished && strings.Contains(s.LastError, "AS") && !s.ErrorAt.IsZero()
	})
	if err != nil {
		return err
	}
	if n := count(s, isA(bgppeer.UpdateReceived)); n > 0 {
		return fmt.Errorf("a peer with the wrong AS number was sent %d UPDATEs", n)
	}
	return r.noStorm(ctx, s)
}

func caseRefusedAS(ctx context.Context, r *bgpRig) error {
	s, err := r.server(1, func(c *bgppeer.Config) { c.RawOpen = bgppeer.Error(2, 2) })
	if err != nil {
		return err
	}
	if err := r.apply(ctx, speakerOf([]plugins.Peer{r.peer(1)}, role(vip6, 1))); err != nil {
		return err
	}
	_, err = r.tells(ctx, "rs1", "an error", func(s plugins.PeerState) bool { return s.LastError != "" && !s.ErrorAt.IsZero() })
	if err != nil {
		return err
	}
	return r.noStorm(ctx, s)
}

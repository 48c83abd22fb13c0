package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// announced starts with one prefix, and gives the attributes that came with it.
func (r *bgpRig) announced(ctx context.Context, prefix netip.Prefix) (bgppeer.Attributes, error) {
	began := time.Now()
	s, want, err := r.one(ctx, role(prefix, 1))
	if err != nil {
		return bgppeer.Attributes{}, err
	}
	e, err := r.event(ctx, s, prefix.String(), func(e bgppeer.Event) bool { return announces(e, prefix) })
	if err != nil {
		return bgppeer.Attributes{}, err
	}
	r.figure("from start to announced", e.Time.Sub(began))
	err = r.quiet(ctx, s, want, func() error { return nil })
	if n := count(s, func(e bgppeer.Event) bool { return announces(e, prefix) }); n != 1 {
		err = errors.Join(err, fmt.Errorf("%s was announced %d times", prefix, n))
	}
	a := e.Update.Attributes
	if !slices.Equal(a.Communities, []uint32{serverASN<<16 | 1}) {
		err = errors.Join(err, fmt.Errorf("its communities are %v, want %d:1", a.Communities, serverASN))
	}
	if !slices.Equal(a.ASPath, []uint32{ownASN}) {
		err = errors.Join(err, fmt.Errorf("its AS_PATH is %v, want %d", a.ASPath, ownASN))
	}
	return a, err
}

func caseAnnounce4(ctx context.Context, r *bgpRig) error {
	a, err := r.announced(ctx, vip4)
	if !slices.Contains([]netip.Addr{bgpHost4, bgpHost6, bgpHostOther}, a.NextHop) {
		err = errors.Join(err, fmt.Errorf("its next hop is %s, which is not the host's own", a.NextHop))
	}
	return err
}

func caseAnnounce6(ctx context.Context, r *bgpRig) error {
	a, err := r.announced(ctx, vip6)
	if !slices.Contains([]netip.Addr{bgpHost6, bgpHostOther}, a.NextHop) {
		err = errors.Join(err, fmt.Errorf("its next hop is %s, want a global address of the host", a.NextHop))
	}
	return err
}

func caseAnnounceRange(ctx context.Context, r *bgpRig) error {
	// The host has an address of the range; the announcement may be written with it.
	a := role(netip.PrefixFrom(vip6wide.Addr().Next(), vip6wide.Bits()), 1)
	if err := r.net.host.hold(vip6wide); err != nil {
		return err
	}
	want := speakerOf([]plugins.Peer{r.peer(1)}, a, role(vip6host, 1))
	s, err := r.server(1)
	if err != nil {
		return err
	}
	if err := r.apply(ctx, want); err != nil {
		return err
	}
	if _, err := r.holds(ctx, s, vip6wide, vip6host); err != nil {
		return err
	}
	if err := r.quiet(ctx, s, want, func() error { return r.apply(ctx, want) }); err != nil {
		return err
	}
	if n := count(s, func(e bgppeer.Event) bool { return announces(e, vip6wide) }); n != 1 {
		return fmt.Errorf("%s was announced %d times", vip6wide, n)
	}
	_, err = r.holds(ctx, s, vip6wide, vip6host, mark)
	return err
}

func caseChangeRole(ctx context.Context, r *bgpRig) error {
	s, _, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	want := speakerOf([]plugins.Peer{r.peer(1)}, role(vip4, 2), role(vip6, 2))
	err = r.sent(ctx, s, want, func() error {
		began := time.Now()
		if err := r.apply(ctx, want); err != nil {
			return err
		}
		for _, p := range []netip.Prefix{vip4, vip6} {
			e, err := r.event(ctx, s, "the other role of "+p.String(), func(e bgppeer.Event) bool {
				return announces(e, p) && slices.Equal(e.Update.Communities, []uint32{serverASN<<16 | 2})
			})
			if err != nil {
				return err
			}
			r.figure("role change seen after", e.Time.Sub(began))
		}
		return nil
	}, replacedOnce(vip4, vip6))
	if err != nil {
		return err
	}
	return r.told(ctx, "rs1", vip4, vip6, mark)
}

// replacedOnce expects each prefix once, and no withdrawal.
func replacedOnce(prefixes ...netip.Prefix) func([]bgppeer.Update) error {
	return func(updates []bgppeer.Update) error {
		seen := map[netip.Prefix]int{}
		for _, u := range updates {
			if len(u.Withdrawn) > 0 {
				return fmt.Errorf("it withdrew [%s]", words(u.Withdrawn))
			}
			for _, p := range u.Announced {
				seen[p]++
			}
		}
		for _, p := range prefixes {
			if seen[p] != 1 {
				return fmt.Errorf("%s was announced %d times, want once", p, seen[p])
			}
		}
		if len(seen) != len(prefixes) {
			return fmt.Errorf("it announced %v", seen)
		}
		return nil
	}
}

func caseDrain(ctx context.Context, r *bgpRig) error {
	s, _, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	peers := []plugins.Peer{r.peer(1)}
	drained := role(vip4, 2)
	drained.Communities = append(drained.Communities, plugins.GracefulShutdown)
	want := speakerOf(peers, drained, role(vip6, 1))
	err = r.sent(ctx, s, want, func() error {
		if err := r.apply(ctx, want); err != nil {
			return err
		}
		_, err := r.event(ctx, s, "GRACEFUL_SHUTDOWN", func(e bgppeer.Event) bool {
			return announces(e, vip4) && slices.Contains(e.Update.Communities, uint32(plugins.GracefulShutdown)) &&
				slices.Contains(e.Update.Communities, serverASN<<16|2)
		})
		return err
	}, replacedOnce(vip4))
	if err != nil {
		return err
	}
	if err := r.apply(ctx, speakerOf(peers, role(vip6, 1))); err != nil {
		return err
	}
	if _, err := r.holds(ctx, s, vip6); err != nil {
		return err
	}
	return r.told(ctx, "rs1", vip6)
}

func caseWithdrawOne(ctx context.Context, r *bgpRig) error {
	s, _, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	want := speakerOf([]plugins.Peer{r.peer(1)}, role(vip6, 1))
	return r.sent(ctx, s, want, func() error {
		began := time.Now()
		if err := r.apply(ctx, want); err != nil {
			return err
		}
		e, err := r.event(ctx, s, "the withdrawal", func(e bgppeer.Event) bool { return withdraws(e, vip4) })
		if err != nil {
			return err
		}
		r.figure("withdrawal seen after", e.Time.Sub(began))
		return r.told(ctx, "rs1", vip6)
	}, func(updates []bgppeer.Update) error {
		for _, u := range updates {
			if len(u.Announced) > 0 || !slices.Equal(u.Withdrawn, []netip.Prefix{vip4}) {
				return fmt.Errorf("for the withdrawal of %s it sent %+v", vip4, u)
			}
		}
		return nil
	})
}

func caseStop(ctx context.Context, r *bgpRig) error {
	second, err := r.server(2)
	if err != nil {
		return err
	}
	s, err := r.server(1)
	if err != nil {
		return err
	}
	if err := r.settled(ctx, s, speakerOf([]plugins.Peer{r.peer(1), r.peer(2)}, role(vip4, 1), role(vip6, 1))); err != nil {
		return err
	}
	if _, err := r.holds(ctx, second, vip4, vip6); err != nil {
		return err
	}
	began := time.Now()
	if err := r.apply(ctx, plugins.Speaker{}); err != nil {
		return err
	}
	for _, s := range []*bgppeer.Peer{s, second} {
		e, err := r.event(ctx, s, "the end of the session", isA(bgppeer.Closed))
		if err != nil {
			return err
		}
		r.figure("session closed after", e.Time.Sub(began))
		if err := goodbye(s, vip4, vip6); err != nil {
			return fmt.Errorf("%s: %w", s.Addr().Addr(), err)
		}
	}
	if err := r.nothingToDo(ctx, "after the zero Speaker", plugins.Speaker{}); err != nil {
		return err
	}
	states, err := r.observe(ctx)
	if err == nil && len(states) > 0 {
		err = fmt.Errorf("after the zero Speaker its Observe gave %+v", states)
	}
	return err
}

// goodbye expects the withdrawal of all prefixes, and then a Cease.
func goodbye(s *bgppeer.Peer, prefixes ...netip.Prefix) error {
	left := slices.Clone(prefixes)
	for _, e := range s.Events() {
		switch {
		case e.Update != nil:
			left = slices.DeleteFunc(left, func(p netip.Prefix) bool { return slices.Contains(e.Update.Withdrawn, p) })
		case e.Notification != nil && len(left) > 0:
			return fmt.Errorf("the Cease came before the withdrawal of [%s]", words(left))
		case e.Notification != nil && e.Notification.Code != 6:
			return fmt.Errorf("it was sent NOTIFICATION %d/%d, want a Cease", e.Notification.Code, e.Notification.Subcode)
		case e.Notification != nil:
			return nil
		}
	}
	return errors.New("the session ended without a Cease")
}

func caseStartAgain(ctx context.Context, r *bgpRig) error {
	s, want, err := r.one(ctx, role(vip4, 1))
	if err != nil {
		return err
	}
	if err := r.apply(ctx, plugins.Speaker{}); err != nil {
		return err
	}
	if _, err := r.event(ctx, s, "the end of the session", isA(bgppeer.Closed)); err != nil {
		return err
	}
	want.RouterID = netip.AddrFrom4([4]byte{192, 0, 2, 70})
	if err := r.settled(ctx, s, want); err != nil {
		return err
	}
	e, err := r.event(ctx, s, "a second OPEN", func(e bgppeer.Event) bool { return e.Open != nil && e.Session > 1 })
	if err == nil && e.Open.RouterID != want.RouterID {
		err = fmt.Errorf("its BGP Identifier is %s, want %s", e.Open.RouterID, want.RouterID)
	}
	return err
}

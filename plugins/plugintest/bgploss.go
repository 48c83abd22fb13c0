package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

func caseUnreachable(ctx context.Context, r *bgpRig) error {
	servers, peers, err := r.startServers(2)
	if err != nil {
		return err
	}
	nobody := r.peer(3, func(p *plugins.Peer) { p.Addr = netip.MustParseAddr("fd00:7e57::dead") })
	nobody.Name = "nobody"
	refuses := r.peer(3)
	want := speakerOf(append([]plugins.Peer{nobody, refuses}, peers...), role(vip4, 1), role(vip6, 1))
	if err := r.apply(ctx, want); err != nil {
		return err
	}
	if err := r.allHold(ctx, servers, vip4, vip6); err != nil {
		return err
	}
	_, err = r.tells(ctx, refuses.Name, "not established, and why", func(s plugins.PeerState) bool {
		return s.State != plugins.StateEstablished && s.LastError != "" && len(s.Announced) == 0
	})
	if err != nil {
		return err
	}
	began := time.Now()
	late, err := r.server(3)
	if err != nil {
		return err
	}
	if _, err := r.holds(ctx, late, vip4, vip6); err != nil {
		return err
	}
	r.figure("a late server was told after", time.Since(began))
	return errors.Join(oneSession(servers[0]), oneSession(servers[1]))
}

func caseServerRestarts(ctx context.Context, r *bgpRig) error {
	s, _, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	_, err = r.tells(ctx, "rs1", "not established, and nothing told", func(s plugins.PeerState) bool {
		return s.State != plugins.StateEstablished && len(s.Announced) == 0
	})
	if err != nil {
		return err
	}
	began := time.Now()
	if s, err = r.server(1); err != nil {
		return err
	}
	if _, err := r.holds(ctx, s, vip4, vip6); err != nil {
		return err
	}
	r.figure("told again after", time.Since(began))
	return r.told(ctx, "rs1", vip4, vip6)
}

func caseCease(ctx context.Context, r *bgpRig) error {
	const text = "back at ten"
	s, _, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	lost := time.Now()
	s.Hangup(bgppeer.Cease(2, text))
	state, err := r.tells(ctx, "rs1", "the text of the Cease", func(s plugins.PeerState) bool { return strings.Contains(s.LastError, text) })
	if err != nil {
		return err
	}
	// A daemon may tell its time in whole seconds.
	if state.ErrorAt.Before(lost.Truncate(time.Second)) || state.ErrorAt.After(time.Now().Add(time.Second)) {
		return fmt.Errorf("the Cease came at %s, its Observe says %s", lost, state.ErrorAt)
	}
	e, err := r.event(ctx, s, "the route in the next session", func(e bgppeer.Event) bool { return announces(e, vip6) && e.Session > 1 })
	if err != nil {
		return err
	}
	r.figure("told again after", e.Time.Sub(lost))
	return r.told(ctx, "rs1", vip4, vip6)
}

func caseCeaseEachTime(ctx context.Context, r *bgpRig) error {
	s, err := r.server(1, func(c *bgppeer.Config) { c.CeaseAtOnce = true })
	if err != nil {
		return err
	}
	if err := r.apply(ctx, speakerOf([]plugins.Peer{r.peer(1)}, role(vip6, 1))); err != nil {
		return err
	}
	return r.noStorm(ctx, s)
}

func caseMute(ctx context.Context, r *bgpRig) error {
	mute, err := r.server(1, func(c *bgppeer.Config) { c.Mute = true })
	if err != nil {
		return err
	}
	s, err := r.server(2)
	if err != nil {
		return err
	}
	if err := r.settled(ctx, s, speakerOf([]plugins.Peer{r.peer(2), r.peer(1)}, role(vip6, 1))); err != nil {
		return err
	}
	if _, err := r.event(ctx, mute, "a connection", isA(bgppeer.Accepted)); err != nil {
		return err
	}
	_, err = r.tells(ctx, "rs1", "not established, nothing told", func(s plugins.PeerState) bool {
		return s.State != "" && s.State != plugins.StateEstablished && len(s.Announced) == 0
	})
	return errors.Join(err, oneSession(s))
}

func caseHoldTimer(ctx context.Context, r *bgpRig) error {
	s, _, err := r.one(ctx, role(vip6, 1))
	if err != nil {
		return err
	}
	began := time.Now()
	s.Silence()
	e, err := r.event(ctx, s, "Hold Timer Expired", func(e bgppeer.Event) bool { return e.Notification != nil && e.Notification.Code == 4 })
	if err != nil {
		return err
	}
	r.figure(fmt.Sprintf("with a Hold Time of %s, expired after", r.under.Hold), e.Time.Sub(began))
	_, err = r.event(ctx, s, "the route in the next session", func(e bgppeer.Event) bool { return announces(e, vip6) && e.Session > 1 })
	if err != nil {
		return err
	}
	return r.told(ctx, "rs1", vip6)
}

func caseSilentCut(ctx context.Context, r *bgpRig) error {
	s, _, err := r.one(ctx, role(vip4, 1), role(vip6, 1))
	if err != nil {
		return err
	}
	if err := r.net.cut(); err != nil {
		return err
	}
	cut := time.Now()
	_, err = r.tells(ctx, "rs1", "not established, nothing told, and why", func(s plugins.PeerState) bool {
		return s.State != plugins.StateEstablished && len(s.Announced) == 0 && s.LastError != ""
	})
	if err != nil {
		return errors.Join(err, r.net.mend())
	}
	r.figure(fmt.Sprintf("with a Hold Time of %s, noticed after", r.under.Hold), time.Since(cut))
	s.Reset() // the far side has given up too
	if err := r.net.mend(); err != nil {
		return err
	}
	mended := time.Now()
	if _, err := r.holds(ctx, s, vip4, vip6); err != nil {
		return err
	}
	r.figure("told again after the mend", time.Since(mended))
	return r.told(ctx, "rs1", vip4, vip6)
}

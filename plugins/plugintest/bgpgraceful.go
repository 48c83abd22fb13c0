package plugintest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// helper has a route server offer graceful restart.
func helper(c *bgppeer.Config) { c.GracefulRestart = time.Minute }

const restartTime = 5 * time.Second

func graceful(p *plugins.Peer) { p.GracefulRestart = restartTime }

func isOpen(e bgppeer.Event) bool { return e.Open != nil }

func isEndOfRIB(e bgppeer.Event) bool { return e.Update != nil && e.Update.EndOfRIB }

// caseGracefulOff: an empty capability, which only tells that the speaker helps
// others and sends End-of-RIB, has no Restart Time and no address family (RFC 4724 §3).
func caseGracefulOff(ctx context.Context, r *bgpRig) error {
	s, err := r.server(1, helper)
	if err != nil {
		return err
	}
	if err := r.settled(ctx, s, speakerOf([]plugins.Peer{r.peer(1)}, role(vip6, 1))); err != nil {
		return err
	}
	e, err := r.event(ctx, s, "an OPEN", isOpen)
	if err != nil {
		return err
	}
	if v, ok := e.Open.Capability(bgppeer.CapGracefulRestart); ok && len(v) > 2 {
		return fmt.Errorf("graceful restart is off, and it offers it: % x", v)
	}
	return nil
}

func caseGraceful(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapGracefulRestart); err != nil {
		return err
	}
	s, err := r.server(1, helper)
	if err != nil {
		return err
	}
	if err := r.settled(ctx, s, speakerOf([]plugins.Peer{r.peer(1, graceful)}, role(vip4, 1), role(vip6, 1))); err != nil {
		return err
	}
	e, err := r.event(ctx, s, "an OPEN", isOpen)
	if err != nil {
		return err
	}
	v, _ := e.Open.Capability(bgppeer.CapGracefulRestart)
	if len(v) < 6 || int(v[0]&0x0f)<<8|int(v[1]) != int(restartTime/time.Second) {
		return fmt.Errorf("graceful restart capability is % x, want a Restart Time of %s and address families", v, restartTime)
	}
	if v[0]&0x40 != 0 {
		return errors.New("it sets the N bit (RFC 8538): with that a peer keeps the routes of a host that went silent")
	}
	_, err = r.event(ctx, s, "End-of-RIB", isEndOfRIB)
	if err != nil {
		return err
	}
	// A clean stop withdraws, graceful restart or not.
	if err := r.apply(ctx, plugins.Speaker{}); err != nil {
		return err
	}
	if _, err := r.event(ctx, s, "the end of the session", isA(bgppeer.Closed)); err != nil {
		return err
	}
	return goodbye(s, vip4, vip6)
}

func caseGracefulKilled(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapGracefulRestart); err != nil {
		return err
	}
	if err := r.needKill(); err != nil {
		return err
	}
	if r.info.Has(plugins.CapOutlivesDaemon) {
		return notAsked("its routes outlive it anyway")
	}
	s, err := r.server(1, helper)
	if err != nil {
		return err
	}
	want := speakerOf([]plugins.Peer{r.peer(1, graceful)}, role(vip4, 1), role(vip6, 1))
	if err := r.settled(ctx, s, want); err != nil {
		return err
	}
	killed := time.Now()
	if err := r.kill(); err != nil {
		return err
	}
	if _, err := r.event(ctx, s, "the end of the connection", isA(bgppeer.Closed)); err != nil {
		return err
	}
	for _, e := range s.Events() {
		if e.Notification != nil {
			return errors.New("a NOTIFICATION makes the peer drop the routes at once (RFC 4724 §4)")
		}
	}
	if err := r.reopen(ctx); err != nil {
		return err
	}
	if err := r.settled(ctx, s, want); err != nil {
		return err
	}
	e, err := r.event(ctx, s, "End-of-RIB in the next session", func(e bgppeer.Event) bool { return isEndOfRIB(e) && e.Session > 1 })
	if err != nil {
		return err
	}
	r.figure("all told again after", e.Time.Sub(killed))
	return nil
}

package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// caseBFD: the Hold Time is long, so that it is BFD that ends the session.
func caseBFD(ctx context.Context, r *bgpRig) error {
	if err := r.need(plugins.CapBFD); err != nil {
		return err
	}
	const every, hold = 300 * time.Millisecond, 90 * time.Second
	s, err := r.server(1, func(c *bgppeer.Config) { c.Hold = hold })
	if err != nil {
		return err
	}
	var bfd *bgppeer.BFD
	err = r.net.peers.do(func() (err error) {
		bfd, err = bgppeer.StartBFD(bgpPeer6(1), netip.Addr{}, every)
		return err
	})
	if err != nil {
		return err
	}
	defer bfd.Close()
	want := speakerOf([]plugins.Peer{r.peer(1, func(p *plugins.Peer) {
		p.Hold, p.Keepalive = hold, hold/3
		p.BFD = &plugins.BFD{TX: every, RX: every, Multiplier: 3}
	})}, role(vip6, 1))
	if err := r.settled(ctx, s, want); err != nil {
		return err
	}
	err = r.until(ctx, "the BFD session", func() error {
		if !bfd.Up() {
			return errors.New("it is not up")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.nothingToDo(ctx, "with BFD up", want); err != nil {
		return err
	}
	if _, err := r.holds(ctx, s, vip6); err != nil {
		return err
	}
	session := count(s, isA(bgppeer.Accepted)) // there may have been others before BFD was up
	silent := time.Now()
	bfd.Silence()
	e, err := r.event(ctx, s, "the end of the session after BFD fell silent", func(e bgppeer.Event) bool {
		return e.Kind == bgppeer.Closed && e.Session == session
	})
	if err != nil {
		return err
	}
	r.figure(fmt.Sprintf("with 3 x %s, the session ended after", every), e.Time.Sub(silent))
	bfd.Resume()
	_, err = r.event(ctx, s, "the route in the next session", func(e bgppeer.Event) bool { return announces(e, vip6) && e.Session > session })
	return err
}

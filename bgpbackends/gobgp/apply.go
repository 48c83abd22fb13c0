package gobgp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
	"github.com/stentor-net/stentor/plugins"
)

// settleTime bounds the wait until the peers were sent what Apply changed. A
// peer that does not read must not hold up the others.
const settleTime = 2 * time.Second

// Plan tells the steps that Apply would take.
func (b *Backend) Plan(ctx context.Context, want plugins.Speaker) (plugins.Plan, error) {
	if err := ctx.Err(); err != nil {
		return plugins.Plan{}, err
	}
	target, refused, err := desired.New(want, checks)
	if err != nil {
		return plugins.Plan{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return plugins.Plan{Steps: diff(b.have, target).Steps()}, refused
}

// Apply makes the speaker hold exactly want, and returns once each established
// peer was sent what changed, after 2 s at the latest; Observe tells what was
// sent indeed. What of want can't be done is left out and named in the error.
func (b *Backend) Apply(ctx context.Context, want plugins.Speaker) error {
	target, refused, err := desired.New(want, checks)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.converge(ctx, target)
	return errors.Join(refused, err, b.bridge.takeFault())
}

func (b *Backend) converge(ctx context.Context, want desired.Speaker) error {
	if err := b.stopped(ctx); err != nil {
		return err
	}
	b.shared = want.Routes
	c := diff(b.have, want)
	switch c.Speaker {
	case desired.Restart:
		if err := b.stopSpeaker(ctx); err != nil {
			return err
		}
		fallthrough
	case desired.Add:
		if err := b.startSpeaker(ctx, want); err != nil {
			return err
		}
		c = diff(b.have, want) // all of want, after a restart
	}
	err := b.execute(ctx, c)
	b.settle(ctx)
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	if c.Speaker == desired.Remove {
		return b.stopSpeaker(ctx)
	}
	return nil
}

// settle waits until GoBGP has sent what it was handed. The lock is free
// meanwhile: sessions may come and go.
func (b *Backend) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	b.mu.Unlock()
	defer b.mu.Lock()
	b.ledger.wait(ctx)
}

// execute makes the changes one by one, and notes each that was made. It goes
// on after an error: one peer's trouble is not another's.
func (b *Backend) execute(ctx context.Context, c desired.Changes) error {
	var errs []error
	step := func(f func() error) {
		if ctx.Err() == nil {
			errs = append(errs, f())
		}
	}
	for _, r := range c.Withdrawn {
		step(func() error { return b.removeRoute(ctx, r) })
	}
	if c.Speaker == desired.Remove {
		return errors.Join(errs...) // the peers go with the speaker, after they were told
	}
	for _, p := range c.PeersGone {
		step(func() error { return b.removePeer(ctx, p.Addr) })
	}
	for _, p := range c.PeersNew {
		step(func() error { return b.putPeer(ctx, p) })
	}
	for _, r := range c.Announced {
		if r.New.Prepend > 0 {
			b.prepends[r.New.Prepend] = struct{}{}
		}
	}
	step(func() error { return b.refresh(ctx) })
	for _, r := range c.Announced {
		step(func() error {
			if err := b.announce(ctx, r.New); err != nil {
				return err
			}
			b.have.Routes[r.New.Prefix] = r.New
			return nil
		})
	}
	return errors.Join(errs...)
}

func (b *Backend) removeRoute(ctx context.Context, r desired.Route) error {
	if err := b.withdraw(ctx, r); err != nil {
		return err
	}
	delete(b.have.Routes, r.Prefix)
	return nil
}

func (b *Backend) removePeer(ctx context.Context, addr netip.Addr) error {
	s := b.sessions[addr]
	if s != nil && !s.out {
		if err := b.deletePeer(ctx, addr); err != nil {
			return err
		}
	}
	if s != nil {
		s.path.Watch(nil) // after the peer was told why the session ends
	}
	delete(b.sessions, addr)
	delete(b.have.Peers, addr)
	b.ledger.drop(addr)
	return nil
}

// putPeer adds a peer, or changes one, with the session kept where that can be.
func (b *Backend) putPeer(ctx context.Context, p desired.PeerChange) error {
	addr := p.New.Addr
	s := b.sessions[addr]
	if s != nil && p.KeepsSession {
		if !s.out && !sameInGoBGP(p) {
			if err := b.updatePeer(ctx, p.New); err != nil {
				return err
			}
		}
		s.peer = p.New
		s.path.Watch(p.New.BFD)
		b.have.Peers[addr] = p.New
		return nil
	}
	if s != nil {
		if err := b.removePeer(ctx, addr); err != nil {
			return err
		}
	}
	b.ledger.open(addr)
	s = &session{peer: p.New, tag: b.tag(addr), path: b.pathTo(p.New)}
	b.sessions[addr] = s
	// The policy must withhold before there can be a session.
	_, err := b.setPolicy(ctx)
	if err == nil {
		err = b.addPeer(ctx, p.New)
	}
	if err != nil {
		delete(b.sessions, addr)
		b.ledger.drop(addr)
		return err
	}
	s.path.Watch(p.New.BFD)
	b.have.Peers[addr] = p.New
	return nil
}

// refresh brings the policy in line with the peers, and looks again for next
// hops where there was none: addresses come and go.
func (b *Backend) refresh(ctx context.Context) error {
	for _, s := range b.sessions {
		if s.caps == nil || s.out {
			continue
		}
		had4, had6 := s.own4, s.own6
		b.findNextHops(s)
		if s.own4 != had4 || s.own6 != had6 {
			b.release(s)
		}
	}
	_, err := b.setPolicy(ctx)
	return err
}

// startSpeaker starts BGP without any peer, route or listening socket.
func (b *Backend) startSpeaker(ctx context.Context, want desired.Speaker) error {
	if b.bgp == nil {
		b.bgp = server.NewBgpServer(server.LoggerOption(b.bridge))
		go b.bgp.Serve() // has no end
		b.done.Go(b.follow)
		b.done.Go(b.followPaths)
	}
	err := b.bgp.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{
		Asn:        want.ASN,
		RouterId:   want.RouterID.String(),
		ListenPort: -1, // we dial, nobody dials us
	}})
	if err != nil {
		return fmt.Errorf("start BGP: %w", err)
	}
	clear(b.prepends)
	if err := b.assignPolicies(ctx); err != nil {
		return err
	}
	b.have = desired.Speaker{ASN: want.ASN, RouterID: want.RouterID, Peers: map[netip.Addr]plugins.Peer{}, Routes: map[netip.Prefix]desired.Route{}}
	return nil
}

// stopSpeaker ends all sessions with a Cease and forgets everything. GoBGP
// waits for each session to wind up, for a peer that does not read as long as
// the Hold Time; ctx ends only our wait.
func (b *Backend) stopSpeaker(ctx context.Context) error {
	leaving := slices.Collect(maps.Values(b.sessions))
	for addr := range b.sessions {
		b.ledger.drop(addr)
	}
	clear(b.sessions)
	b.have = desired.Speaker{}
	done := make(chan struct{})
	b.stopping = done
	go func() {
		defer close(done)
		b.bgp.StopBgp(context.Background(), &api.StopBgpRequest{})
		for _, s := range leaving {
			s.path.Watch(nil) // after the Cease, which says more
		}
	}()
	return b.stopped(ctx)
}

// stopped waits for a StopBgp that is under way.
func (b *Backend) stopped(ctx context.Context) error {
	if b.stopping == nil {
		return nil
	}
	select {
	case <-b.stopping:
		b.stopping = nil
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the sessions are still winding up: %w", ctx.Err())
	}
}

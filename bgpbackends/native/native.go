// Package native is the BGP backend that is made for this job alone: it dials
// the configured peers, announces, and takes nothing in. It has no RIB, no
// decision process and no port.
//
// wire encodes and decodes, fsm decides, session talks to one peer, and this
// package turns a desired state into what each peer shall be told.
package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/internal/bfd"
	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
	"github.com/stentor-net/stentor/bgpbackends/internal/ownaddr"
	"github.com/stentor-net/stentor/bgpbackends/native/session"
	"github.com/stentor-net/stentor/bgpbackends/native/wire"
	"github.com/stentor-net/stentor/plugins"
)

const (
	version = "1"
	// tellTime bounds the wait until the peers were sent what Apply changed. A
	// peer that does not read must not hold up the others.
	tellTime = 2 * time.Second
	// maxPrepend keeps AS_PATH below what peers limit it to, and has room for a
	// secondary's role and a drain on top of what a config may say, which is 32.
	maxPrepend = 50
)

var checks = desired.Checks{MaxPrepend: maxPrepend, Peer: peer}

// peer refuses what neither the speaker nor this kernel can do.
func peer(p plugins.Peer) error {
	if p.AO.Key != "" && session.LacksAO() {
		return fmt.Errorf("TCP-AO: this kernel has none (CONFIG_TCP_AO, Linux 6.7 and later): %w", plugins.ErrUnsupported)
	}
	return bfd.Check(p.BFD)
}

// Backend is a speaker in this process.
type Backend struct {
	log      *slog.Logger
	watchers watchers
	bfd      *bfd.Endpoint
	pace     *session.Pace
	began    time.Time

	mu       sync.Mutex      // guards the next two
	have     desired.Speaker // of the last Apply that was not cut off
	sessions map[netip.Addr]*session.Session

	sharing sync.Mutex // guards shared; taken inside of mu, and by sessions
	shared  map[netip.Prefix]desired.Route
}

var _ plugins.BGPBackend = (*Backend)(nil)

// New makes a backend that logs to log. It does no I/O.
func New(log *slog.Logger) *Backend {
	return &Backend{log: log, bfd: bfd.NewEndpoint(), pace: &session.Pace{}, sessions: map[netip.Addr]*session.Session{}, began: time.Now()}
}

// Info tells name, version and capabilities.
func (b *Backend) Info() plugins.Info {
	return plugins.Info{
		Name: "native", Version: version, API: plugins.APIVersion, Kind: plugins.KindBGP,
		Caps: []plugins.Cap{
			plugins.CapMD5, plugins.CapTCPAO, plugins.CapTTLSecurity, plugins.CapMultihop, plugins.CapBFD, plugins.CapBFDAuth, plugins.CapGracefulRestart, plugins.CapLocalAddr,
			plugins.CapLargeCommunities, plugins.CapMED, plugins.CapLocalPref, plugins.CapPrepend, plugins.CapNextHop, plugins.CapPerPeer,
			plugins.CapUnprivileged,
		},
	}
}

// Configure takes an empty table: there is nothing to set.
func (b *Backend) Configure(_ context.Context, c plugins.Config) error {
	return c.Decode(&struct{}{})
}

// Detect always finds the backend fit.
func (b *Backend) Detect(context.Context) (plugins.Detection, error) {
	return plugins.Detection{Score: 10, Why: "built in, needs nothing on the host"}, nil
}

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
	return plugins.Plan{Steps: b.diff(target).Steps()}, refused
}

// diff is what changes, with the sessions named that live on.
func (b *Backend) diff(want desired.Speaker) desired.Changes {
	c := desired.Diff(b.have, want)
	for i, p := range c.PeersNew {
		s := b.sessions[p.New.Addr]
		c.PeersNew[i].KeepsSession = s != nil && s.Fits(p.New, want.ASN, want.RouterID)
	}
	return c
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
	return errors.Join(refused, b.converge(ctx, target))
}

func (b *Backend) converge(ctx context.Context, want desired.Speaker) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	staying, leaving := map[netip.Addr]*session.Session{}, map[netip.Addr]*session.Session{}
	for addr, s := range b.sessions {
		if p, keep := want.Peers[addr]; keep && s.Fits(p, want.ASN, want.RouterID) {
			staying[addr] = s
		} else {
			leaving[addr] = s
		}
	}
	b.sharedNow(want)
	routes := offers(want)
	// Withdrawals go first, and to those that leave before their Cease.
	told, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range leaving {
		all.Go(func() { s.Tell(told, nil) })
	}
	for addr, s := range staying {
		s.WatchPath(want.Peers[addr].BFD)
		all.Go(func() { s.Tell(told, offersTo(routes, addr)) })
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return err // the next Apply goes on from what each session was told
	}
	for addr, s := range leaving {
		delete(b.sessions, addr)
		all.Go(func() { s.Stop(told, &wire.Notification{Code: wire.Cease, Subcode: wire.PeerDeconfigured}) })
	}
	all.Wait()
	for addr, p := range want.Peers {
		if b.sessions[addr] == nil {
			b.sessions[addr] = b.open(p, want, offersTo(routes, addr))
		}
	}
	b.have = want
	return nil
}

func (b *Backend) open(p plugins.Peer, want desired.Speaker, routes []session.Route) *session.Session {
	return session.New(session.Config{
		Peer: p, LocalASN: want.ASN, ID: want.RouterID, Log: b.log,
		// Within the restart time of a peer that helps, this process may be the
		// one after that which told it the routes.
		Restarting: p.GracefulRestart > 0 && time.Since(b.began) < p.GracefulRestart,
		Changed:    func(why string) { b.watchers.tell(plugins.Change{Object: p.Name, Why: why}) },
		Own:        b.own,
		BFD:        b.bfd,
		Pace:       b.pace,
	}, routes)
}

// sharedNow notes which addresses can't be a next hop.
func (b *Backend) sharedNow(want desired.Speaker) {
	b.sharing.Lock()
	defer b.sharing.Unlock()
	b.shared = want.Routes
}

// own finds a next hop for routes of a family that is not the session's.
func (b *Backend) own(local netip.Addr, f wire.Family) netip.Addr {
	b.sharing.Lock()
	routes := b.shared
	b.sharing.Unlock()
	shared := func(a netip.Addr) bool { return ownaddr.Within(routes, a) }
	if f == wire.IPv4 {
		return ownaddr.Find(local, 4, shared)
	}
	return ownaddr.Find(local, 6, shared)
}

// offer is an announcement, and the peers that it is for.
type offer struct {
	route session.Route
	to    desired.Route
}

// offers are all announcements in order. Those with equal attributes share them.
func offers(want desired.Speaker) []offer {
	all := make([]offer, 0, len(want.Routes))
	sets := map[string]*session.Attrs{}
	for _, x := range want.SortedPrefixes() {
		r := want.Routes[x]
		a := attrs(r)
		if set := sets[a.Key()]; set != nil {
			a = set
		}
		sets[a.Key()] = a
		all = append(all, offer{session.Route{Prefix: r.Prefix, NextHop: r.NextHop, Attrs: a}, r})
	}
	return all
}

// offersTo are those that the peer at addr shall be told.
func offersTo(all []offer, addr netip.Addr) []session.Route {
	routes := make([]session.Route, 0, len(all))
	for _, o := range all {
		if o.to.IsTold(addr) {
			routes = append(routes, o.route)
		}
	}
	return routes
}

func attrs(r desired.Route) *session.Attrs {
	a := &session.Attrs{Prepend: r.Prepend, MED: r.MED, LocalPref: r.LocalPref}
	for _, c := range r.Communities {
		a.Communities = append(a.Communities, uint32(c))
	}
	for _, c := range r.Large {
		a.LargeCommunities = append(a.LargeCommunities, [3]uint32{c.Global, c.Local1, c.Local2})
	}
	return a
}

// Observe tells the sessions, and what was written to them.
func (b *Backend) Observe(ctx context.Context) (plugins.SpeakerState, error) {
	if err := ctx.Err(); err != nil {
		return plugins.SpeakerState{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var out plugins.SpeakerState
	for _, p := range b.have.SortedPeers() {
		s := b.sessions[p.Addr]
		if s == nil {
			continue // an Apply that was cut off had it leave
		}
		v := s.View()
		state := plugins.PeerState{
			Name: p.Name, State: v.State, Since: v.Since, Announced: v.Announced, LastError: v.LastError, ErrorAt: v.ErrorAt, Received: v.Received,
			GracefulRestart: v.GracefulRestart,
		}
		if v.Path != nil {
			state.BFD = v.Path.Words()
		}
		if v.Unsent != "" {
			state.LastError, state.ErrorAt = v.Unsent, v.Since
		}
		out.Peers = append(out.Peers, state)
	}
	return out, nil
}

// Close ends the sessions: with a Cease, which makes the peers drop our
// routes, or without a word to a peer that helps a restart, which keeps them
// for the restart time (RFC 4724 §4.2).
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), tellTime)
	defer cancel()
	var all sync.WaitGroup
	for addr, s := range b.sessions {
		delete(b.sessions, addr)
		all.Go(func() {
			if s.Peer.GracefulRestart > 0 {
				s.Abandon()
				return
			}
			s.Stop(ctx, &wire.Notification{Code: wire.Cease, Subcode: wire.AdminShutdown})
		})
	}
	all.Wait()
	b.bfd.Close() // after the Cease, which says more
	return nil
}

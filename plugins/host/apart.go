package host

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// speaking is a BGP backend in one process.
type speaking = supervisor[plugins.BGPBackend]

// apart is one BGP peer in a process of its own: it ended the one that it
// shared with the others, and may do so each time that it is let in.
type apart struct {
	*speaking
	peer    plugins.Peer
	unwatch context.CancelFunc
}

// The pace at which such a peer gets a new process.
const (
	apartMin  = 2 * time.Second
	apartMax  = 5 * time.Minute
	apartCalm = 10 * time.Minute
)

// separate gives each wanted peer that ended the shared process one of its own.
func (b *BGP) separate(want plugins.Speaker) {
	for _, p := range b.due(want) {
		b.main.opts.Log.Warn("a peer gets a process of its own, as it ended the one of all", "peer", p.Name, "address", p.Addr)
		a := b.newApart(p)
		b.mu.Lock()
		b.alone[p.Addr] = a
		b.mu.Unlock()
	}
}

// newApart has a process started after the first delay.
func (b *BGP) newApart(p plugins.Peer) *apart {
	s := newSupervisor(b.main.opts, b.main.prog, b.main.over)
	s.opts.limits.retryMin, s.opts.limits.retryMax, s.opts.limits.calm = apartMin, apartMax, apartCalm
	s.info, s.state.Info, s.state.Peer = b.main.info, b.main.info, p.Name
	why := ending{}
	b.main.mu.Lock()
	s.config, why = b.main.config, b.main.culprits[p.Addr]
	b.main.mu.Unlock()
	a := &apart{speaking: s, peer: p}
	var ctx context.Context
	ctx, a.unwatch = context.WithCancel(context.Background())
	s.ends = 1
	s.down(why, 0)
	s.keep(nil, why)
	go a.watch(ctx, b.tell)
	return a
}

func (a *apart) watch(ctx context.Context, tell func(plugins.Change)) {
	for ctx.Err() == nil {
		_ = a.Watch(ctx, tell)
		select {
		case <-ctx.Done():
		case <-time.After(apartMin): // lest a Watch that ends at once spins
		}
	}
}

func (a *apart) close() error {
	a.unwatch()
	return a.Close()
}

func (a *apart) is(addr netip.Addr) bool { return a.peer.Addr == addr }

// session tells how the peer's session is; without a process, why there is none.
func (a *apart) session(ctx context.Context) (plugins.PeerState, error) {
	state, err := observe(ctx, a.speaking)
	if unlessDown(err) != nil {
		return plugins.PeerState{}, err
	}
	if err != nil || len(state.Peers) == 0 { // the latter: it has just started
		return a.held(), nil
	}
	return state.Peers[0], nil
}

// held is the state of the peer's session while it has no process.
func (a *apart) held() plugins.PeerState {
	a.mu.Lock()
	defer a.mu.Unlock()
	what := "what this peer sent ended the BGP process"
	if a.last.panicked != "" {
		what += " (" + a.last.panicked + ")"
	}
	text := fmt.Sprintf("%s, %d times so far; held back", what, a.ends)
	if next := a.state.NextAt; !next.IsZero() {
		text += " until " + next.Local().Format(time.TimeOnly)
	}
	return plugins.PeerState{Name: a.peer.Name, State: plugins.StateIdle, Since: a.last.at, LastError: text, ErrorAt: a.last.at}
}

// endedBy tells whether a peer has ended this process before.
func endedBy(s *speaking, peer netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.culprits[peer]
	return ok
}

// forgive forgets that.
func forgive(s *speaking, peer netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.culprits, peer)
}

func plan(ctx context.Context, s *speaking, want plugins.Speaker) (p plugins.Plan, err error) {
	err = s.call(ctx, "Plan", func(ctx context.Context, b plugins.BGPBackend) (err error) { p, err = b.Plan(ctx, want); return err })
	return p, err
}

func apply(ctx context.Context, s *speaking, want plugins.Speaker) error {
	return s.call(ctx, "Apply", func(ctx context.Context, b plugins.BGPBackend) error { return b.Apply(ctx, want) })
}

func observe(ctx context.Context, s *speaking) (state plugins.SpeakerState, err error) {
	err = s.call(ctx, "Observe", func(ctx context.Context, b plugins.BGPBackend) (err error) { state, err = b.Observe(ctx); return err })
	return state, err
}

// shareOf is the part of want that concerns some of the peers.
func shareOf(want plugins.Speaker, mine func(netip.Addr) bool) plugins.Speaker {
	share := plugins.Speaker{ASN: want.ASN, RouterID: want.RouterID}
	names := map[string]bool{}
	for _, p := range want.Peers {
		if mine(p.Addr) {
			share.Peers = append(share.Peers, p)
			names[p.Name] = true
		}
	}
	switch len(share.Peers) {
	case len(want.Peers): // as most of the time
		return want
	case 0:
		return plugins.Speaker{}
	}
	for _, a := range want.Announcements {
		if len(a.Peers) > 0 {
			a.Peers = slices.DeleteFunc(slices.Clone(a.Peers), func(n string) bool { return !names[n] })
			if len(a.Peers) == 0 {
				continue
			}
		}
		share.Announcements = append(share.Announcements, a)
	}
	return share
}

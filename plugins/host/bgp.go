package host

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/stentor-net/stentor/plugins"
)

// BGP is a BGP backend in a process of its own; in several, if it is of the
// kind that one peer can end for all: the peer that did it gets a process for
// itself, which from then on is all that it can end.
type BGP struct {
	main *supervisor[plugins.BGPBackend]

	mu    sync.Mutex
	alone map[netip.Addr]*apart
	ears  map[*func(plugins.Change)]struct{} // of those who watch
}

// OpenBGP starts a program that is a BGP backend.
func OpenBGP(ctx context.Context, o Options, prog Program) (*BGP, error) {
	s, err := supervise(ctx, o, prog, plugins.BGPOver)
	if err != nil {
		return nil, err
	}
	return &BGP{main: s, alone: map[netip.Addr]*apart{}, ears: map[*func(plugins.Change)]struct{}{}}, nil
}

// Info is what the first process said.
func (b *BGP) Info() plugins.Info { return b.main.Info() }

// Configure is remembered for the processes to come.
func (b *BGP) Configure(ctx context.Context, c plugins.Config) error { return b.main.Configure(ctx, c) }

// Detect asks the present process.
func (b *BGP) Detect(ctx context.Context) (plugins.Detection, error) { return b.main.Detect(ctx) }

// State tells how the process is that most peers share.
func (b *BGP) State() State { return b.main.State() }

// Came is closed once a call need not wait for the first process any more; nil
// if none has to (see Options.Background).
func (b *BGP) Came() <-chan struct{} { return b.main.came }

// Processes tells how all its processes are.
func (b *BGP) Processes() []State {
	all := []State{b.main.State()}
	for _, a := range b.apart() {
		all = append(all, a.State())
	}
	slices.SortFunc(all, func(a, b State) int { return strings.Compare(a.Peer, b.Peer) })
	return all
}

// Watch goes on over the ends of all processes.
func (b *BGP) Watch(ctx context.Context, changed func(plugins.Change)) error {
	b.mu.Lock()
	b.ears[&changed] = struct{}{}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.ears, &changed)
		b.mu.Unlock()
	}()
	return b.main.Watch(ctx, changed)
}

// tell passes on what the process of a peer that is apart reports.
func (b *BGP) tell(c plugins.Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for changed := range b.ears {
		(*changed)(c)
	}
}

// Plan asks the present processes.
func (b *BGP) Plan(ctx context.Context, want plugins.Speaker) (plugins.Plan, error) {
	p, err := plan(ctx, b.main, b.mainShare(want))
	for _, a := range b.apart() {
		more, oops := plan(ctx, a.speaking, shareOf(want, a.is))
		p.Steps = append(p.Steps, more.Steps...)
		err = errors.Join(err, unlessDown(oops))
	}
	for _, due := range b.due(want) {
		p.Steps = append(p.Steps, plugins.Step{Verb: "change", Object: "peer " + due.Name, Diff: "gets a process of its own, as it ended the one of all"})
	}
	return p, err
}

// Apply asks the present processes. What concerns a peer whose process is down
// has to wait, and is no error: it is the peer's own doing.
func (b *BGP) Apply(ctx context.Context, want plugins.Speaker) error {
	b.separate(want)
	var calls sync.WaitGroup
	var main error
	calls.Go(func() { main = apply(ctx, b.main, b.mainShare(want)) })
	alone := b.apart()
	errs := make([]error, len(alone))
	for i, a := range alone {
		calls.Go(func() {
			if err := unlessDown(apply(ctx, a.speaking, shareOf(want, a.is))); err != nil {
				errs[i] = err
			} else if !wanted(want, a.peer.Addr) && len(want.Peers) > 0 {
				errs[i] = b.forget(a)
			}
		})
	}
	calls.Wait()
	return errors.Join(append(errs, main)...)
}

// Observe asks the present processes.
func (b *BGP) Observe(ctx context.Context) (plugins.SpeakerState, error) {
	state, err := observe(ctx, b.main)
	if err != nil {
		return state, err
	}
	for _, a := range b.apart() {
		p, err := a.session(ctx)
		if err != nil {
			return state, err
		}
		state.Peers = append(state.Peers, p)
	}
	return state, nil
}

// InspectSpeaker asks the process of all peers, which need not be an inspector.
func (b *BGP) InspectSpeaker(ctx context.Context, want plugins.Speaker) (f []plugins.Finding, err error) {
	err = b.main.call(ctx, "InspectSpeaker", func(ctx context.Context, s plugins.BGPBackend) (err error) {
		if i, ok := s.(plugins.SpeakerInspector); ok {
			f, err = i.InspectSpeaker(ctx, want)
		}
		return err
	})
	return f, err
}

// Close ends all processes.
func (b *BGP) Close() error {
	var calls sync.WaitGroup
	for _, a := range b.apart() {
		calls.Go(func() { _ = b.forget(a) })
	}
	err := b.main.Close()
	calls.Wait()
	return err
}

func (b *BGP) apart() []*apart {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*apart, 0, len(b.alone))
	for _, a := range b.alone {
		all = append(all, a)
	}
	return all
}

// mainShare is what concerns the peers that share a process.
func (b *BGP) mainShare(want plugins.Speaker) plugins.Speaker {
	return shareOf(want, func(a netip.Addr) bool { return !endedBy(b.main, a) })
}

// due are the peers that are to get a process of their own.
func (b *BGP) due(want plugins.Speaker) []plugins.Peer {
	b.mu.Lock()
	defer b.mu.Unlock()
	var due []plugins.Peer
	for _, p := range want.Peers {
		if endedBy(b.main, p.Addr) && b.alone[p.Addr] == nil {
			due = append(due, p)
		}
	}
	return due
}

// forget ends the process of a peer. If the config names it again, it starts
// anew with the others.
func (b *BGP) forget(a *apart) error {
	b.mu.Lock()
	delete(b.alone, a.peer.Addr)
	b.mu.Unlock()
	forgive(b.main, a.peer.Addr)
	return a.close()
}

func wanted(s plugins.Speaker, addr netip.Addr) bool {
	return slices.ContainsFunc(s.Peers, func(p plugins.Peer) bool { return p.Addr == addr })
}

// unlessDown is err, unless it says that there is no process.
func unlessDown(err error) error {
	if errors.Is(err, plugins.ErrUnavailable) {
		return nil
	}
	return err
}

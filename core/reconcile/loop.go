package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

const (
	// checkEvery is how often the backends are asked even if nothing moved.
	checkEvery = 30 * time.Second
	// lingerEvery is how often peers are looked at while an address waits for
	// its withdrawal.
	lingerEvery = 50 * time.Millisecond
	// gatherFor is how long new routes are gathered while the network backend works.
	gatherFor = time.Second
	// restMax bounds the rest after a pass: a withdrawal may be waiting.
	restMax = 200 * time.Millisecond
	// stopTimeout bounds the goodbye.
	stopTimeout = 5 * time.Second
)

// Host is the kernel's view, kept up to date.
type Host interface {
	View() host.View
	Changed() <-chan struct{}
	Ready() <-chan struct{}
}

// Options are what a Loop works with.
type Options struct {
	Net    plugins.NetBackend
	NetWhy string // why that one, for status
	BGP    plugins.BGPBackend
	// Earlier is a speaker that outlived an earlier run and may still have the
	// peers; nil if there is none.
	Earlier plugins.BGPBackend
	// Left, if not nil, is told the name of each speaker that holds nothing any more.
	Left func(name string)
	// Restarting, if not nil, tells at the end whether the next run begins at
	// once; then on_restart counts.
	Restarting func(context.Context) bool
	// Past is what the run before this one handed over, as it left the routes
	// with the peers; Kept, if not nil, is told what this one does.
	Past   Past
	Kept   func(Past)
	Host   Host
	Drains *DrainStore
	// Latches are the VIPs that wait for a person to take them back.
	Latches *LatchStore
	// Health tells what the checks found; nil: there are none.
	Health func() health.View
	// Processes tells where a backend runs, for status.
	Processes func(plugins.Kind, string) []status.Backend
	// Published, if not nil, is told of each new snapshot and the one before it,
	// which is nil at first. It runs in the loop's goroutine and must not block.
	Published func(old, cur *status.Status)
	// Problems, if not nil, gives what other rooms have to say, for status.
	Problems func() []status.Problem
	Log      *slog.Logger
	Version  string
	// DeriveRouterID gives a BGP Identifier for a config that names none.
	DeriveRouterID func(host.View, *config.Config) netip.Addr
}

// Loop is the reconciler: one goroutine, the only writer.
type Loop struct {
	Options
	net *actor[[]plugins.VIP, []plugins.VIPState]

	wakeup  chan struct{}
	urgent  chan struct{} // ends a rest
	lookNet atomic.Bool   // the network backend says that something moved

	passes     atomic.Uint64
	counts     counts
	mu         sync.Mutex // guards the next eight; the loop alone changes the speakers and the memory
	config     *config.Config
	generation int
	bgp        *speaker
	leaving    *speaker           // hands its peers over to bgp; nil most of the time
	next       plugins.BGPBackend // shall have the peers; nil: no change
	rechecks   []chan struct{}    // closed when the network backend was asked again
	failbacks  []failback
	memory     Memory

	// The rest belongs to the goroutine of Run.
	routerID  netip.Addr // derived once: another uplink address must not reset every session
	held      map[netip.Addr]bool
	lost      map[netip.Addr]*loss
	hand      *handover // while there is a leaving speaker
	failed    string    // why the last handover was turned back
	lastCheck time.Time
	shares    []plugins.Speaker   // what each speaker was to hold at the last pass
	removed   map[netip.Addr]bool // drained, and to be off the host
	exit      *Drain              // of every VIP, on the way out
	waits     bool                // a call was cancelled for what can't wait
	netLookAt time.Time           // when to ask the network backend about its last hint; zero: no need
	board     *board
	watchers  sync.WaitGroup
}

// New makes a Loop for a first config.
func New(o Options, c *config.Config) *Loop {
	return &Loop{
		Options: o,
		net:     newActor(o.Net, slices.Equal[[]plugins.VIP], func(want []plugins.VIP) int { return len(want) }),
		bgp:     newSpeaker(o.BGP),
		wakeup:  make(chan struct{}, 1), urgent: make(chan struct{}, 1), config: c, generation: 1,
		memory: recall(o.Past, o.Latches.All()),
		held:   map[netip.Addr]bool{}, lost: map[netip.Addr]*loss{},
		board: newBoard(o.Published),
	}
}

// SetConfig takes over a checked config, and gives its generation.
func (l *Loop) SetConfig(c *config.Config) int {
	l.mu.Lock()
	l.config = c
	l.generation++
	generation := l.generation
	l.mu.Unlock()
	l.Wake()
	return generation
}

// Config is the config in force, and its generation.
func (l *Loop) Config() (*config.Config, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.config, l.generation
}

// Wake makes the loop look at everything again.
func (l *Loop) Wake() {
	select {
	case l.wakeup <- struct{}{}:
	default: // it will wake anyway
	}
}

// WakeNow is Wake for what may call for a withdrawal: it ends a rest, too.
func (l *Loop) WakeNow() {
	select {
	case l.urgent <- struct{}{}:
	default:
	}
	l.Wake()
}

// Passes counts how often the loop has looked at everything: a watchdog's sign of life.
func (l *Loop) Passes() uint64 { return l.passes.Load() }

// Status is the newest snapshot; nil before the first.
func (l *Loop) Status() *status.Status { return l.board.now() }

// Next is closed when a snapshot newer than the present one is there.
func (l *Loop) Next() <-chan struct{} { return l.board.next() }

// Run reconciles until ctx ends; then it withdraws every route, unless on_exit
// or on_restart says otherwise, and returns when the peers were told. hurry cuts
// that short.
func (l *Loop) Run(ctx context.Context, hurry <-chan struct{}) error {
	select {
	case <-l.Host.Ready():
	case <-ctx.Done():
		return nil
	}
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer l.watchers.Wait()
	defer cancel()
	l.watchers.Go(func() { l.watch(calls, "network", l.Net, &l.lookNet) })
	l.watchers.Go(func() { l.Latches.run(calls, l.Wake) })
	l.startWatch(calls, l.bgp)
	if l.Earlier != nil {
		l.resume(calls)
	}

	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			kept := l.keeps(calls)
			if kept == "" {
				l.reclaim(calls, hurry)
				l.leave(calls, hurry)
			}
			l.farewell(l.stop(calls, hurry, kept))
			return nil
		case <-l.Host.Changed():
		case <-l.wakeup:
		case <-timer.C:
		}
		select {
		case <-l.urgent: // this pass sees it
		default:
		}
		began := time.Now()
		next := l.pass(calls, began)
		l.counts.pass(time.Since(began))
		timer.Reset(time.Until(next))
		l.rest(ctx, time.Since(began))
	}
}

// rest follows a pass that was work: with thousands of VIPs a pass takes
// milliseconds, and while they are being put on the host, thousands of events
// call for one. The backends need the processor more. A withdrawal does not
// wait for it.
func (l *Loop) rest(ctx context.Context, worked time.Duration) {
	if worked < time.Millisecond || l.waits {
		return
	}
	select {
	case <-ctx.Done():
	case <-l.urgent:
	case <-time.After(min(2*worked, restMax)):
	}
}

// pass looks at all facts, starts the calls that are due, and publishes what
// it saw. It gives the time of the next pass if nothing happens before.
func (l *Loop) pass(ctx context.Context, now time.Time) time.Time {
	l.collect(now)
	cfg, generation := l.Config()
	rechecks := l.takeRechecks()
	l.net.dirty = l.net.dirty || len(rechecks) > 0
	view, checks := l.Host.View(), l.health()
	holding := l.trackLosses(cfg, view, now)
	memory, forgotten := l.forget()
	want := Desire(Facts{
		Config: cfg, View: view, RouterID: l.identifier(cfg, view),
		Drains: l.drains(now), Lost: l.lostSince(), Asked: l.asked(),
		Health: checks, Memory: memory, Told: l.told(cfg), Started: l.board.started, Now: now,
	})
	l.removed = removed(cfg, want)
	next := earlier(want.Wake, l.markDirty(cfg.Network.HoldDown, now))

	// Until each speaker was seen once, nothing may leave the host: a driven
	// daemon can be announcing what an earlier run of ours asked for.
	shares, at := l.divide(ctx, now, want.Speaker)
	next = earlier(next, at)
	hostWant, lingering := want.Host, 0
	if exposed, seen := l.exposure(); seen {
		hostWant, lingering = Order(want.Host, l.net.seen, exposed)
	} else if l.net.observed {
		hostWant = union(want.Host, l.net.seen)
	}

	// The speakers go first: a withdrawal waits for nothing.
	l.shares, l.waits = shares, false
	for i, s := range l.speakers() {
		next = earlier(next, l.drive(ctx, now, s, shares[i], want.Verdicts, lingering > 0))
	}
	if !holding || !l.net.wants(hostWant) { // the end of the hold-down wakes us
		run, at := l.net.due(now, hostWant)
		if run {
			l.net.start(ctx, now, hostWant, l.Wake)
		}
		next = earlier(next, at)
	}

	l.remember(want, forgotten)
	l.board.publish(l.snapshot(cfg, generation, view, checks, want, lingering), now)
	for _, asked := range rechecks {
		close(asked)
	}
	l.passes.Add(1)
	return next
}

// drive calls a speaker for its share, if it is time for that. It gives the
// time when it has more to do.
func (l *Loop) drive(ctx context.Context, now time.Time, s *speaker, share plugins.Speaker, verdicts map[string]Verdict, lingering bool) (next time.Time) {
	if lingering && !s.busy {
		if at := s.lastAt.Add(lingerEvery); now.Before(at) {
			next = at
		} else {
			s.dirty = true
		}
	}
	urgent := retreats(s.tried, share, verdicts)
	if urgent {
		s.interrupt()
		l.waits = l.waits || s.busy
	}
	run, at := s.due(now, share)
	// While thousands of addresses are being put on the host, their routes
	// need not go out one by one.
	if gather := s.since.Add(gatherFor); run && l.net.busy && !urgent && now.Before(gather) {
		run, at = false, gather
	}
	if run && !s.coming() {
		s.exposed.before(share)
		s.start(ctx, now, share, l.Wake)
	}
	return earlier(next, at)
}

// markDirty has the backends looked at that ask for it, and now and then both.
// It gives the time when it has more to do.
func (l *Loop) markDirty(holdDown time.Duration, now time.Time) time.Time {
	for _, s := range l.speakers() {
		if s.look.Swap(false) {
			s.dirty = true
		}
	}
	// The backend may see a flap before the kernel's view does: what it
	// reports is looked at when a flap would be over.
	if l.lookNet.Swap(false) && l.netLookAt.IsZero() {
		l.netLookAt = now.Add(holdDown)
	}
	if !l.netLookAt.IsZero() && !now.Before(l.netLookAt) {
		l.net.dirty, l.netLookAt = true, time.Time{}
	}
	if now.Sub(l.lastCheck) >= checkEvery {
		for _, s := range l.speakers() {
			s.dirty = true
		}
		l.net.dirty, l.lastCheck = true, now
	}
	return earlier(l.netLookAt, l.lastCheck.Add(checkEvery))
}

// collect takes in what finished calls found.
func (l *Loop) collect(now time.Time) {
	for _, s := range l.speakers() {
		select {
		case o := <-s.done:
			s.finish(now, o)
			if s.err == nil {
				s.exposed = after(o.want, o.seen)
			}
			l.report(s.name(), o.changed, s.err, s.retry)
		default:
		}
	}
	select {
	case o := <-l.net.done:
		l.net.finish(now, o)
		l.report("network", o.changed, l.net.err, l.net.retry)
	default:
	}
}

func (l *Loop) report(what string, changed bool, err error, retry time.Time) {
	canceled := errors.Is(err, context.Canceled) // by us, for something more urgent
	l.counts.call(what, changed, err != nil && !canceled)
	switch {
	case canceled:
	case err != nil:
		l.Log.Error("backend failed, will try again", "backend", what, "error", err, "retry", retry)
	case changed:
		l.Log.Info("applied", "backend", what)
	}
}

// asked is what the network backend is working towards, nil if it is idle.
func (l *Loop) asked() map[netip.Addr]bool {
	if !l.net.busy {
		return nil
	}
	asked := make(map[netip.Addr]bool, len(l.net.tried))
	for _, v := range l.net.tried {
		asked[v.Addr] = true
	}
	return asked
}

// health is what the checks found.
func (l *Loop) health() health.View {
	if l.Health == nil {
		return nil
	}
	return l.Health()
}

// identifier gives the BGP Identifier: the configured one, or one derived from
// the host and then kept.
func (l *Loop) identifier(cfg *config.Config, view host.View) netip.Addr {
	if cfg.BGP.RouterID.IsValid() {
		return cfg.BGP.RouterID
	}
	if !l.routerID.IsValid() {
		l.routerID = l.DeriveRouterID(view, cfg)
	}
	return l.routerID
}

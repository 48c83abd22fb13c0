package reconcile

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

const (
	callTimeout = 30 * time.Second      // for one round of Plan, Apply and Observe,
	callPerItem = 20 * time.Millisecond // and for each address or route in it
	retryMin    = 500 * time.Millisecond
	retryMax    = 30 * time.Second
)

// backend is what both interfaces have in common: want W, see S.
type backend[W, S any] interface {
	Plan(context.Context, W) (plugins.Plan, error)
	Apply(context.Context, W) error
	Observe(context.Context) (S, error)
}

// actor drives one backend: at most one call at a time, each in a goroutine of
// its own, so that a slow backend delays nobody else. All methods are called
// by the loop alone.
type actor[W, S any] struct {
	backend backend[W, S]
	same    func(a, b W) bool
	size    func(W) int
	done    chan outcome[W, S]
	one     sync.Mutex // held during a call: a backend gets one at a time
	// planning ends the call of plan that is under way; nil: there is none.
	planning atomic.Pointer[context.CancelFunc]

	busy   bool
	cancel context.CancelFunc

	tried  W // what the last call was asked to hold
	called bool
	dirty  bool // look again, though want is the same

	seen     S
	observed bool // seen holds something

	err    error
	fails  int
	retry  time.Time // when to try again after err
	lastAt time.Time // when the last call ended
	since  time.Time // when it began
}

type outcome[W, S any] struct {
	want    W
	changed bool // Apply was called
	seen    S
	seenErr error
	err     error
}

func newActor[W, S any](b backend[W, S], same func(a, b W) bool, size func(W) int) *actor[W, S] {
	return &actor[W, S]{backend: b, same: same, size: size, done: make(chan outcome[W, S], 1)}
}

// settled reports whether the backend holds want and has nothing to do.
func (a *actor[W, S]) settled(want W) bool {
	return !a.busy && a.err == nil && !a.dirty && a.wants(want)
}

// due tells whether to call the backend for want now, or else when, if ever.
func (a *actor[W, S]) due(now time.Time, want W) (bool, time.Time) {
	switch {
	case a.busy:
		return false, time.Time{}
	case !a.wants(want):
		return true, time.Time{} // news wait for no backoff
	case a.err != nil:
		at := a.retry
		if a.dirty { // something moved: worth a try, but not a storm of them
			at = earlier(at, a.lastAt.Add(retryMin))
		}
		return !now.Before(at), at
	default:
		return a.dirty, time.Time{}
	}
}

// wants reports whether want is what the backend was last asked to hold.
func (a *actor[W, S]) wants(want W) bool { return a.called && a.same(a.tried, want) }

// abandon ends a call in flight.
func (a *actor[W, S]) abandon() {
	if a.busy {
		a.cancel()
		<-a.done
		a.busy = false
	}
}

// start calls the backend. wake is called when the outcome is in done.
func (a *actor[W, S]) start(ctx context.Context, now time.Time, want W, wake func()) {
	ctx, a.cancel = context.WithTimeout(ctx, callTimeout+time.Duration(a.size(want))*callPerItem)
	a.busy, a.dirty, a.called, a.tried, a.since = true, false, true, want, now
	go func() {
		a.one.Lock()
		defer a.one.Unlock()
		a.done <- call(ctx, a.backend, want)
		wake()
	}()
}

func call[W, S any](ctx context.Context, b backend[W, S], want W) outcome[W, S] {
	o := outcome[W, S]{want: want}
	// A plan that comes with an error leaves out what can't be done; the rest
	// is done all the same, lest one bad announcement keep another one from
	// being withdrawn.
	plan, err := b.Plan(ctx, want)
	if len(plan.Steps) > 0 && ctx.Err() == nil {
		o.changed = true
		err = b.Apply(ctx, want)
	}
	o.err = err
	o.seen, o.seenErr = b.Observe(ctx)
	return o
}

// errInterrupted: what a person asks waits for what a peer must be told.
var errInterrupted = errors.New("a route had to be withdrawn meanwhile; try again")

// plan asks what a call for want would change.
func (a *actor[W, S]) plan(ctx context.Context, want W) (plugins.Plan, error) {
	a.one.Lock()
	defer a.one.Unlock()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	a.planning.Store(&cancel)
	defer a.planning.Store(nil)
	p, err := a.backend.Plan(inner, want)
	if err != nil && inner.Err() != nil && ctx.Err() == nil {
		err = errInterrupted
	}
	return p, err
}

// interrupt ends the calls in flight, so that another one can begin.
func (a *actor[W, S]) interrupt() {
	if a.busy {
		a.cancel()
	}
	if cancel := a.planning.Load(); cancel != nil {
		(*cancel)()
	}
}

// finish takes over an outcome.
func (a *actor[W, S]) finish(now time.Time, o outcome[W, S]) {
	a.cancel()
	a.busy, a.lastAt = false, now
	if o.seenErr == nil {
		a.seen, a.observed = o.seen, true
	} else if o.err == nil {
		o.err = o.seenErr
	}
	a.err = o.err
	if o.err == nil {
		a.fails = 0
		return
	}
	wait := min(retryMin<<min(a.fails, 10), retryMax)
	a.fails++
	a.retry = now.Add(wait/2 + rand.N(wait/2+1)) // jitter, lest a fleet tries in step
}

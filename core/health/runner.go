package health

import (
	"context"
	"hash/maphash"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// viewAge is how old a View may be that misses results which decided nothing.
const viewAge = time.Second

// Runner runs checks. A check that waits for its next run is an entry among the
// timers of the Go runtime; one that runs has a goroutine, which no other check
// waits for. Methods may be called from any goroutine.
type Runner struct {
	log     *slog.Logger
	changed func()
	seed    maphash.Seed
	shared  *shared

	unitsMoved chan struct{} // other units are to be followed
	view       atomic.Pointer[snapshot]
	stale      atomic.Bool    // the View misses a decision
	running    sync.WaitGroup // runs under way

	mu     sync.Mutex
	ctx    context.Context // of Run; nil before and after it
	checks map[string]*check
	facts  Facts
}

// snapshot is a View and when it was made.
type snapshot struct {
	view View
	at   time.Time
}

// New makes a Runner that calls changed at once when a check's state or weight
// is another one. changed must not block.
func New(log *slog.Logger, changed func()) *Runner {
	r := &Runner{
		log: log, changed: changed, seed: maphash.MakeSeed(),
		shared:     &shared{processes: newProcesses("/proc")},
		unitsMoved: make(chan struct{}, 1),
		checks:     map[string]*check{},
	}
	r.view.Store(&snapshot{view: View{}})
	return r
}

// Set replaces the checks. One that is as it was keeps running; one that asks
// the same, but more often or with other counts, keeps what it found out.
func (r *Runner) Set(specs []Spec) {
	r.mu.Lock()
	now := time.Now()
	old := r.checks
	r.checks = make(map[string]*check, len(specs))
	for _, s := range specs {
		was := old[s.Name]
		if was != nil && reflect.DeepEqual(was.Spec, s) {
			r.checks[s.Name] = was
			delete(old, s.Name)
			continue
		}
		c := newCheck(s, now)
		if was != nil && reflect.DeepEqual(was.Probe, s.Probe) && was.Invert == s.Invert && len(was.recent) > 0 {
			c.keep(was)
		}
		r.checks[s.Name] = c
		if r.ctx != nil {
			r.start(c, now)
		}
	}
	for _, c := range old {
		c.end()
	}
	r.stale.Store(true)
	r.mu.Unlock()
	r.followOther()
	r.changed()
}

// Run runs the checks until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	r.mu.Lock()
	r.ctx = ctx
	now := time.Now()
	for _, c := range r.checks {
		r.start(c, now)
	}
	r.mu.Unlock()
	r.followUnits(ctx)
	r.mu.Lock()
	r.ctx = nil
	for _, c := range r.checks {
		c.end()
	}
	r.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		r.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(grace): // the kernel does not let go of one
	}
	return nil
}

// start has a check run from now on. The caller holds mu.
func (r *Runner) start(c *check, now time.Time) {
	c.ctx, c.stop = context.WithCancel(r.ctx)
	var first time.Time
	c.pace, first = newPace(now, c.Every, c.FastEvery, share(r.seed, c.Name))
	if p, ok := c.Probe.(pushed); ok {
		c.timer = time.AfterFunc(0, func() { r.recount(c, p) })
		return
	}
	c.due = first
	c.timer = time.AfterFunc(time.Until(first), func() { r.tick(c) })
}

// end stops a check for good. The caller holds mu.
func (c *check) end() {
	if c.timer != nil {
		c.timer.Stop()
		c.stop()
	}
}

// tick is one run of a check, from its timer.
func (r *Runner) tick(c *check) {
	r.mu.Lock()
	if c.ctx.Err() != nil {
		r.mu.Unlock()
		return
	}
	began := time.Now()
	c.late = began.Sub(c.due)
	if c.busy { // the run before was given up, and is still under way
		r.settle(c, bad("the run before this one hangs, and can't be stopped"), began)
		return
	}
	c.busy = true
	c.run++
	run, question := c.run, c.ask
	r.running.Add(1)
	defer r.running.Done()
	r.mu.Unlock()

	ctx, cancel := context.WithTimeout(c.ctx, c.Timeout)
	defer cancel()
	guard := time.AfterFunc(c.Timeout+grace, func() { r.giveUp(c, run) })
	defer guard.Stop()
	answer := result{}
	if question == nil {
		var err error
		if question, err = c.Probe.(asked).prepare(r.shared); err != nil {
			answer = notRun(err.Error())
		}
	}
	if question != nil {
		answer = question(ctx)
	}

	r.mu.Lock()
	c.ask, c.busy = question, false
	if c.ctx.Err() != nil || c.overdue == run {
		r.mu.Unlock()
		return
	}
	now := time.Now()
	c.took = now.Sub(began)
	r.settle(c, answer, now)
}

// giveUp counts a run that did not end in time, whatever it was told.
func (r *Runner) giveUp(c *check, run uint64) {
	r.mu.Lock()
	if c.ctx.Err() != nil || !c.busy || c.run != run {
		r.mu.Unlock()
		return
	}
	c.overdue, c.took = run, c.Timeout+grace
	r.settle(c, bad("no answer within "+c.Timeout.String()+", and the run can't be stopped"), time.Now())
}

// settle counts an answer and sets the time of the next run. The caller holds
// mu, which settle gives back.
func (r *Runner) settle(c *check, answer result, now time.Time) {
	edge := c.record(answer, now, r.log)
	c.due = c.pace.next(c.due, now, c.tally.undecided())
	c.timer.Reset(c.due.Sub(now))
	r.unlock(edge)
}

// unlock gives mu back, and tells of a decision.
func (r *Runner) unlock(edge bool) {
	if edge {
		r.stale.Store(true)
	}
	r.mu.Unlock()
	if edge {
		r.changed()
	}
}

// Feed tells what pushed probes are judged by: change changes the facts, and
// replaces what it changes in them, since they were handed out.
func (r *Runner) Feed(change func(*Facts)) {
	r.mu.Lock()
	change(&r.facts)
	edge, now := false, time.Now()
	for _, c := range r.checks {
		if p, ok := c.Probe.(pushed); ok && r.ctx != nil {
			edge = r.take(c, p, now) || edge
		}
	}
	r.unlock(edge)
}

// take counts the answer of a pushed probe if it is another one than before.
// The caller holds mu.
func (r *Runner) take(c *check, p pushed, now time.Time) (edge bool) {
	answer, ok := p.judge(r.facts)
	if !ok || c.lastIs(answer) {
		return false
	}
	c.late, c.took = 0, 0
	edge = c.record(answer, now, r.log)
	c.timer.Stop()
	r.recountLater(c)
	return edge
}

// recount counts what a pushed probe says once more, until that decides.
func (r *Runner) recount(c *check, p pushed) {
	r.mu.Lock()
	edge := false
	if answer, ok := p.judge(r.facts); ok && c.ctx.Err() == nil {
		now := time.Now()
		edge = c.record(answer, now, r.log)
		r.recountLater(c)
	}
	r.unlock(edge)
}

// recountLater waits for the rest of the good results that a pushed probe needs.
func (r *Runner) recountLater(c *check) {
	if c.tally.undecided() {
		c.timer.Reset(c.FastEvery)
	}
}

// View is what is known now: every decision, and of the other results those
// that were there a second ago. It costs a look, and a copy when that is old.
func (r *Runner) View() View {
	s := r.view.Load()
	if !r.stale.Load() && time.Since(s.at) < viewAge {
		return s.view
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stale.Store(false)
	view := make(View, len(r.checks))
	for name, c := range r.checks {
		view[name] = c.status()
	}
	r.view.Store(&snapshot{view, time.Now()})
	return view
}

// units are the units that checks ask for.
func (r *Runner) units() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := map[string]bool{}
	for _, c := range r.checks {
		if u, ok := c.Probe.(Unit); ok {
			names[u.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

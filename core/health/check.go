package health

import (
	"context"
	"hash/maphash"
	"log/slog"
	"time"
)

const (
	// keepRecent is how many outcomes are remembered.
	keepRecent = 60
	// grace is how long after its timeout a run may still return by itself.
	grace = 200 * time.Millisecond
)

// check is one Spec at work. Runner.mu guards it.
type check struct {
	Spec
	target string
	tally  tally
	pace   pace

	since  time.Time
	at     time.Time
	took   time.Duration
	late   time.Duration
	output string
	read   int // the weight that came with the last result
	recent []Outcome

	timer *time.Timer // runs tick; nil unless the Runner runs
	due   time.Time
	ctx   context.Context // ends when the check goes
	stop  context.CancelFunc
	ask   ask // nil until it could be prepared
	// busy: a run is under way. That of number overdue was given up, and may
	// still block a goroutine.
	busy         bool
	run, overdue uint64
}

func newCheck(s Spec, now time.Time) *check {
	return &check{Spec: s, target: s.Probe.Target(), tally: tally{state: s.Initial}, since: now}
}

// keep takes over what an earlier check had found out by the same question.
func (c *check) keep(old *check) {
	c.tally, c.since, c.at, c.took, c.output, c.read, c.recent = old.tally, old.since, old.at, old.took, old.output, old.read, old.recent
}

// weight is what the check brings in now.
func (c *check) weight() int {
	if c.tally.state != Up {
		return 0
	}
	if w, ok := c.Probe.(weigher); ok && w.weighs() {
		return c.read
	}
	return c.Weight
}

// record counts a result, and reports whether that decides something.
func (c *check) record(r result, now time.Time, log *slog.Logger) (edge bool) {
	if c.Invert {
		r = inverted(r)
	}
	fall := c.Fall
	if _, ok := c.Probe.(pushed); ok {
		fall = 1 // who pushes knows: there is nothing to ask a second time
	}
	state, weight := c.tally.state, c.weight()
	c.tally = c.tally.add(r.outcome, c.Rise, fall)
	c.at, c.output, c.read = now, line(r.output), r.weight
	if len(c.recent) == keepRecent {
		c.recent = append(c.recent[:0], c.recent[1:]...)
	}
	c.recent = append(c.recent, r.outcome)
	if c.tally.state != state {
		c.since = now
		level := slog.LevelInfo
		if c.tally.state != Up {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "check is "+string(c.tally.state), "check", c.Name, "kind", c.Probe.Kind(), "target", c.target, "output", c.output)
	}
	return c.tally.state != state || c.weight() != weight
}

func inverted(r result) result {
	switch r.outcome {
	case Good:
		r.outcome = Bad
	case Bad:
		r.outcome = Good
	}
	return r
}

// lastIs reports whether the last result said the same as r does.
func (c *check) lastIs(r result) bool {
	if c.Invert {
		r = inverted(r)
	}
	return len(c.recent) > 0 && c.recent[len(c.recent)-1] == r.outcome && c.output == line(r.output)
}

// status is what is known of the check.
func (c *check) status() Status {
	return Status{
		Name: c.Name, Kind: c.Probe.Kind(), Target: c.target, State: c.tally.state, Since: c.since,
		At: c.at, Took: c.took, Late: c.late, Output: c.output, Weight: c.weight(),
		Recent: append([]Outcome(nil), c.recent...),
	}
}

// share is where in its period a check runs, from 0 to below 1. It differs from
// one start of the daemon to the next, so that hosts with the same config do not
// ask a server all at once.
func share(seed maphash.Seed, name string) float64 {
	const bits = 53 // of a float64's mantissa
	return float64(maphash.String(seed, name)>>(64-bits)) / (1 << bits)
}

package reconcile

import (
	"maps"
	"sync"
	"time"
)

// Counts are what the loop did since it began, for metrics.
type Counts struct {
	Passes   uint64
	LastPass time.Duration // how long the last one took
	// Calls are by backend: "network", or the speaker's name.
	Calls map[string]Calls
}

// Calls are rounds of Plan, Apply and Observe of one backend.
type Calls struct {
	Applied uint64 // had something to change, and changed it
	Failed  uint64
}

// counts is Counts while it is counted.
type counts struct {
	mu  sync.Mutex
	now Counts
}

func (c *counts) pass(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.LastPass = took
}

func (c *counts) call(what string, changed, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now.Calls == nil {
		c.now.Calls = map[string]Calls{}
	}
	n := c.now.Calls[what]
	switch {
	case failed:
		n.Failed++
	case changed:
		n.Applied++
	}
	c.now.Calls[what] = n
}

// Counts are what the loop did so far.
func (l *Loop) Counts() Counts {
	l.counts.mu.Lock()
	defer l.counts.mu.Unlock()
	now := l.counts.now
	now.Passes = l.passes.Load()
	now.Calls = maps.Clone(now.Calls)
	return now
}

package session

import (
	"slices"
	"sync"
	"time"
)

// Pace has sessions send their KEEPALIVEs at the same moments, where their
// intervals allow it: to wake up costs a host more than to send. RFC 4271 §10
// leaves a speaker free to give all its timers the same jitter.
type Pace struct {
	mu      sync.Mutex
	moments []time.Time // that some session waits for
}

// next is a delay of three quarters of d to all of it: until the last moment
// within that a session waits for already, else until one of its own.
func (p *Pace) next(d time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.moments = slices.DeleteFunc(p.moments, func(t time.Time) bool { return t.Before(now) })
	best := time.Duration(0)
	for _, t := range p.moments {
		if in := t.Sub(now); in >= d-d/4 && in <= d {
			best = max(best, in)
		}
	}
	if best == 0 {
		best = jitter(d)
		p.moments = append(p.moments, now.Add(best))
	}
	return best
}

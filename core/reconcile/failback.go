package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// failback is the wish that VIPs be announced as their role says, as soon as
// they are healthy.
type failback struct {
	vips []string
	kept chan error
}

// Failback forgets all that keeps the named VIPs, or every one, from being
// announced as their role says though they are healthy. It returns when that is
// done and would outlive a restart.
func (l *Loop) Failback(ctx context.Context, vips []string) error {
	f := failback{vips: vips, kept: make(chan error, 1)}
	l.mu.Lock()
	l.failbacks = append(l.failbacks, f)
	l.mu.Unlock()
	l.Wake()
	select {
	case err := <-f.kept:
		if err != nil {
			return fmt.Errorf("done, but it could not be kept, so a restart undoes it: %w", err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forget applies the failbacks to what is remembered, and gives those who wait
// for them to be kept.
func (l *Loop) forget() (Memory, []chan<- error) {
	l.mu.Lock()
	asked := l.failbacks
	l.failbacks = nil
	l.mu.Unlock()
	if len(asked) == 0 {
		return l.memory, nil
	}
	var waiting []chan<- error
	after := maps.Clone(l.memory)
	for _, f := range asked {
		waiting = append(waiting, f.kept)
		for name, m := range after {
			if len(f.vips) == 0 || slices.Contains(f.vips, name) {
				m.policy = m.policy.Failback()
				after[name] = m
			}
		}
	}
	return after, waiting
}

// remember keeps what a decision left, and has written down what must survive
// a restart.
func (l *Loop) remember(d Desired, waiting []chan<- error) {
	l.mu.Lock()
	l.memory = d.Memory
	l.mu.Unlock()
	latches := map[string]time.Time{}
	for name, m := range d.Memory {
		if !m.policy.Latched.IsZero() {
			latches[name] = m.policy.Latched.UTC()
		}
	}
	l.Latches.set(latches, waiting)
}

// recall is the memory that an earlier run left.
func recall(past Past, latches map[string]time.Time) Memory {
	m := Memory{}
	for name, known := range past {
		m[name] = memory{policy: known}
	}
	for name, since := range latches {
		one := m[name]
		one.policy.Latched = since
		m[name] = one
	}
	return m
}

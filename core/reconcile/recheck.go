package reconcile

import "context"

// Recheck asks the network backend again although nothing that the loop knows
// of has changed, as when somebody edited a file of the stack's and says so. It
// returns when the status tells of that: what is to be done may be under way.
func (l *Loop) Recheck(ctx context.Context) {
	asked := make(chan struct{})
	l.mu.Lock()
	l.rechecks = append(l.rechecks, asked)
	l.mu.Unlock()
	l.Wake()
	select {
	case <-asked:
	case <-ctx.Done():
	}
}

// takeRechecks gives those who wait for a pass, to be told at its end.
func (l *Loop) takeRechecks() []chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := l.rechecks
	l.rechecks = nil
	return asked
}

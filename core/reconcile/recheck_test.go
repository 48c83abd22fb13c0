package reconcile

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestRecheck: the backend is asked again at once, and nobody is told that all
// is done before it is.
func TestRecheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(500 * time.Millisecond)
		w.session("rs1", true)
		l, stop := start(t, t.TempDir(), w, conf(1))
		settle(time.Second)
		w.mu.Lock()
		calls := w.netCalls
		w.stale, w.netSlow = true, time.Second
		w.mu.Unlock()
		settle(time.Second)
		if !l.Status().Converged || w.netCalls != calls {
			t.Fatalf("%d calls before it is asked for", w.netCalls-calls)
		}
		l.Recheck(t.Context())
		if l.Status().Converged {
			t.Error("the status says that all is done, and the backend was not asked yet")
		}
		settle(1100 * time.Millisecond)
		if s := l.Status(); !s.Converged || w.stale || w.netCalls != calls+1 {
			t.Errorf("converged %t, stale %t, %d calls", s.Converged, w.stale, w.netCalls-calls)
		}
		stop()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		l.Recheck(ended) // after the loop's end it must not hang
	})
}

package plugins

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurn: a call waits for the one before it, no longer than its own time.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := make(turn, 1)
		end := make(chan struct{})
		first := make(chan error)
		go func() { first <- turn.do(t.Context(), func() error { <-end; return nil }) }()
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := false
		err := turn.do(short, func() error { began = true; return nil })
		if !errors.Is(err, context.DeadlineExceeded) || began {
			t.Errorf("beside another one: %v, began: %v", err, began)
		}
		close(end)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if err := turn.do(t.Context(), func() error { return errDone }); !errors.Is(err, errDone) {
			t.Error(err)
		}
	})
}

var errDone = errors.New("done")

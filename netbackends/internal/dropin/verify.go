package dropin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

const (
	// verifyTimeout is how long an address may be gone while a stack settles.
	verifyTimeout = 3 * time.Second
	verifyEvery   = 20 * time.Millisecond
)

// verify reads back what the kernel holds: exactly want of ours, and all that
// the host must never lose.
func (e *Engine) verify(ctx context.Context, want []plugins.VIP, guarded []string) error {
	deadline := time.Now().Add(verifyTimeout)
	for {
		wrong, err := e.wrong(ctx, want, guarded)
		if err != nil || len(wrong) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the host is not as it should be after the change: %s", strings.Join(wrong, "; "))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("check the host after the change: %w", ctx.Err())
		case <-time.After(verifyEvery):
		}
	}
}

func (e *Engine) wrong(ctx context.Context, want []plugins.VIP, guarded []string) ([]string, error) {
	s, err := e.lookHost(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	c, err := s.Diff(want)
	if err != nil {
		return nil, err
	}
	still, err := s.Guarded()
	if err != nil {
		return nil, err
	}
	wrong := c.Missing()
	for _, g := range guarded {
		if !slices.Contains(still, g) {
			wrong = append(wrong, g+" is gone")
		}
	}
	return wrong, nil
}

package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v3"
)

// undoTimeout bounds taking back what a failed Apply did; it goes beyond the
// call's own deadline. What stays undone is mended by the next Apply.
const undoTimeout = 5 * time.Second

// takeBack restores profile and device after cause, which it returns. It works
// with a NetworkManager that was restarted meanwhile and forgot its checkpoint.
func (b *Backend) takeBack(ctx context.Context, s *state, c change, guard gnm.Checkpoint, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := b.undo(ctx, s, c, guard); err != nil {
		return fmt.Errorf("%w (what was done could not be taken back: %w; apply again)", cause, err)
	}
	before := s.ledger
	before.InFlight = ""
	if !before.equal(s.ledger) {
		if err := b.store.save(before); err != nil {
			return fmt.Errorf("%w (%w)", cause, err)
		}
	}
	return cause
}

func (b *Backend) undo(ctx context.Context, s *state, c change, guard gnm.Checkpoint) error {
	if err := b.step("take back"); err != nil {
		return err
	}
	return errors.Join(b.restore(ctx, s, c, guard), s.putBack(ctx, undoTimeout))
}

// restore gives NetworkManager the profile that it had.
func (b *Backend) restore(ctx context.Context, s *state, c change, guard gnm.Checkpoint) error {
	if c.profile != add && c.profile != update {
		return nil // the profile is as it was, or gone as asked
	}
	if guard != nil && s.nm.rollback(ctx, guard) == nil {
		_, err := s.nm.rest(ctx, s.device.link, undoTimeout)
		return err
	}
	nm, err := redial(ctx)
	if err != nil {
		return err
	}
	s.nm.close()
	s.nm = nm
	if _, err := nm.rest(ctx, s.device.link, undoTimeout); err != nil {
		return err
	}
	if err := s.refresh(ctx); err != nil {
		return err
	}
	if guard != nil && s.carrier != nil {
		if err := nm.dropCheckpoints(ctx, s.carrier); err != nil {
			return err
		}
	}
	switch {
	case s.ours == nil: // it was never added, or is gone
		return nil
	case c.profile == add:
		return b.drop(ctx, s, c, *s.ours)
	}
	if err := nm.update(ctx, *s.ours, c.had); err != nil {
		return err
	}
	if s.active() {
		return nm.reapply(ctx, s.carrier)
	}
	return b.activate(ctx, s)
}

// redial waits for a NetworkManager that is on its way back.
func redial(ctx context.Context) (*manager, error) {
	var m *manager
	var last error
	err := poll(ctx, undoTimeout, func() (bool, error) {
		m, last = dial(ctx)
		return last == nil, nil
	})
	if err != nil {
		return nil, last
	}
	return m, nil
}

package dropin

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// undoTimeout bounds the way back, which goes on when the caller's context has
// ended: half a change is worse than a late answer.
const undoTimeout = 30 * time.Second

// backFromCrash goes back to the state before an Apply that was cut off, when
// this one can't even begin, and returns cause.
func (e *Engine) backFromCrash(ctx context.Context, cause error) error {
	old, err := e.journal.load()
	if err != nil || old == nil {
		return cause
	}
	return e.undo(ctx, old, cause)
}

// undo restores files and addresses after cause, which it returns. The journal
// goes last: until then the next Apply goes the same way.
func (e *Engine) undo(ctx context.Context, old *record, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	err := e.restore(ctx, old)
	if err == nil {
		err = e.journal.close()
	}
	if err != nil {
		return fmt.Errorf("%w (what was done could not all be taken back: %w; apply again)", cause, err)
	}
	return cause
}

func (e *Engine) restore(ctx context.Context, old *record) error {
	changed := false
	for _, f := range slices.Backward(old.Files) {
		now, err := e.root.Read(f.Path)
		if err != nil {
			return err
		}
		// A folder that was made for a file that never came has to go too.
		if now.Same(f.Snapshot) && !e.root.Leftover(f.Path) && (now.Exists || !f.OwnFolder) {
			continue
		}
		if !slices.Contains(f.After, checksum(now)) && !now.Same(f.Snapshot) {
			e.log.Warn("a file was changed while an apply was cut off, and is left alone", "file", f.Path)
			continue
		}
		changed = changed || !now.Same(f.Snapshot)
		e.expect(f.Snapshot)
		if err := e.root.Write(f.Snapshot, f.OwnFolder); err != nil {
			return err
		}
	}
	if e.live == nil {
		return nil
	}
	s, err := e.lookHost(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	c, err := s.Diff(old.VIPs)
	if err != nil {
		return err
	}
	if err := e.live.CarryOut(ctx, s, c, nil); err != nil {
		return err
	}
	if changed {
		return e.stack.Settle(ctx)
	}
	return nil
}

package dropin

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/plugins"
)

// Apply implements plugins.NetBackend. Files come before addresses: a power
// cut between the two leaves what the next boot makes whole.
func (e *Engine) Apply(ctx context.Context, want []plugins.VIP) error {
	w, err := e.look(ctx, want)
	if err != nil {
		return e.backFromCrash(ctx, err)
	}
	defer w.close()
	if w.done() {
		return nil
	}
	if len(w.files) > 0 {
		if err := e.refuseEdited(w.files); err != nil {
			return e.backFromCrash(ctx, errors.Join(err, e.heal(ctx, w)))
		}
		if err := e.stack.Check(ctx, w.files); err != nil {
			return e.backFromCrash(ctx, err)
		}
	}
	old := w.pending
	if old == nil {
		old = &record{}
		if w.state != nil {
			old.VIPs = w.state.Held()
		}
	}
	old.extend(w.files)
	if err := e.journal.save(old); err != nil {
		return e.undo(ctx, old, err)
	}
	if err := e.carryOut(ctx, w); err != nil {
		return e.undo(ctx, old, err)
	}
	if err := e.journal.close(); err != nil {
		return e.undo(ctx, old, err)
	}
	return nil
}

func (e *Engine) carryOut(ctx context.Context, w *work) error {
	if e.live == nil {
		return e.writeFiles(ctx, w)
	}
	guarded, err := w.state.Guarded()
	if err != nil {
		return err
	}
	keep := func(ctx context.Context) error { return e.writeFiles(ctx, w) }
	if err := e.live.CarryOut(ctx, w.state, w.change, keep); err != nil {
		return err
	}
	if len(w.files) > 0 || w.pending != nil {
		if err := e.stack.Settle(ctx); err != nil {
			return err
		}
	}
	return e.verify(ctx, w.want, guarded)
}

func (e *Engine) writeFiles(ctx context.Context, w *work) error {
	for _, c := range w.files {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("write %s: not done in time: %w", c.After.Path, err)
		}
		e.expect(c.After)
		if c.Edited {
			if err := e.saveEdited(c.Before); err != nil {
				return err
			}
		}
		if err := e.root.Write(c.After, c.OwnFolder); err != nil {
			return err
		}
	}
	if w.pending == nil {
		return nil
	}
	return e.emptyFolders(w.pending)
}

// emptyFolders removes those of an Apply that was cut off between a file's
// removal and its folder's.
func (e *Engine) emptyFolders(old *record) error {
	for _, f := range old.Files {
		now, err := e.root.Read(f.Path)
		if err != nil {
			return err
		}
		if f.OwnFolder && !now.Exists {
			if err := e.root.Write(now, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuseEdited keeps what somebody changed by hand in a file of ours.
func (e *Engine) refuseEdited(changes []*hostfile.Change) error {
	for _, c := range changes {
		if c.Edited && !e.force {
			return fmt.Errorf("%s was edited by hand, and is kept as it is:\n%s"+
				"take the edit into the config, or run: stentor apply --force (it saves a copy): %w",
				c.Before.Path, c.Step().Diff, plugins.ErrForeign)
		}
	}
	return nil
}

// heal puts back what the host lost of ours: an edit in a file is no reason
// for an address to stay away.
func (e *Engine) heal(ctx context.Context, w *work) error {
	if w.state == nil {
		return nil
	}
	c, err := w.state.Lost(w.want)
	if err != nil || c.Empty() {
		return err
	}
	return e.live.CarryOut(ctx, w.state, c, nil)
}

// saveEdited puts a copy into the state folder, where no stack reads it. It is
// named after its content, so the same edit is saved once.
func (e *Engine) saveEdited(s hostfile.Snapshot) error {
	name := fmt.Sprintf("/%s.edited-%.12s", path.Base(s.Path), checksum(s))
	if err := e.journal.root.Write(hostfile.Private(name, s.Body), false); err != nil {
		return fmt.Errorf("save what was edited by hand: %w", err)
	}
	e.log.Warn("a file of ours was edited by hand and is replaced", "file", s.Path, "saved", path.Join(e.journal.root.Dir, name))
	return nil
}

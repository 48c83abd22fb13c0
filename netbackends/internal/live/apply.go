package live

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"github.com/stentor-net/stentor/netbackends/internal/kernel"
)

// CarryOut does a change. The ledger calls an address ours before it is added,
// and until it is deleted: a crash at any point leaves nothing on the host that
// the next call would take for foreign. Then keep, if it is not nil, makes the
// change last over a reboot; after it addresses are added, and only then
// deleted, so an address that moves to another link is never missing. When a
// step fails, those before it are taken back, but for what keep did.
func (h *Host) CarryOut(ctx context.Context, s *State, c Change, keep func(context.Context) error) error {
	h.hold(c.next) // what we take off now is no news to Watch
	if err := h.carryOut(ctx, s, c, keep); err != nil {
		h.hold(s.have)
		return err
	}
	return nil
}

func (h *Host) carryOut(ctx context.Context, s *State, c Change, keep func(context.Context) error) error {
	intent := maps.Clone(c.next)
	for _, e := range c.removes {
		intent[e.place()] = e
	}
	if !maps.Equal(intent, s.stored) || (len(intent) > 0) != s.onDisk {
		if err := h.store.save(intent, s.here); err != nil {
			return err
		}
	}
	var done progress
	if keep != nil {
		if err := keep(ctx); err != nil {
			return h.takeBack(s, done, err)
		}
	}
	if len(c.adds) == 0 && len(c.removes) == 0 {
		return nil
	}
	if err := h.changeHost(ctx, s.conn, c, &done); err != nil {
		return h.takeBack(s, done, err)
	}
	if next := done.adopt(c.next); !maps.Equal(next, intent) {
		if err := h.store.save(next, s.here); err != nil {
			return h.takeBack(s, done, err)
		}
	}
	h.log.Info("addresses changed", "added", len(done.added), "removed", len(c.removes), "adopted", len(c.adopts)+len(done.found))
	return nil
}

// progress is what a call has done so far.
type progress struct {
	added, removed []entry
	found          []entry // to be added, but somebody was faster
}

func (p progress) adopt(l ledger) ledger {
	if len(p.found) == 0 {
		return l
	}
	l = maps.Clone(l)
	for _, e := range p.found {
		e.Adopted = true
		l[e.place()] = e
	}
	return l
}

func (h *Host) changeHost(ctx context.Context, conn *kernel.Conn, c Change, done *progress) error {
	for _, e := range c.adds {
		if err := h.before(ctx, "add", e); err != nil {
			return err
		}
		err := conn.Add(linkOf(e), e.Addr)
		switch {
		case errors.Is(err, fs.ErrExist):
			done.found = append(done.found, e)
		case err != nil:
			return fmt.Errorf("VIP %s: %w", e.VIP, err)
		default:
			done.added = append(done.added, e)
		}
	}
	for _, e := range c.removes {
		if err := h.before(ctx, "delete", e); err != nil {
			return err
		}
		err := conn.Delete(linkOf(e), e.Addr)
		switch {
		case errors.Is(err, fs.ErrNotExist): // somebody was faster
		case err != nil:
			return fmt.Errorf("VIP %s: %w", e.VIP, err)
		default:
			done.removed = append(done.removed, e)
		}
	}
	return nil
}

func (h *Host) before(ctx context.Context, verb string, e entry) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("VIP %s: %s not done in time: %w", e.VIP, verb, err)
	}
	return h.Step(verb + " " + e.Addr.String())
}

// takeBack restores host and ledger after cause, which it returns. On the way
// back too the ledger calls an address ours before it is added; if that can't be
// written, the host stays as it is now, which the ledger knows.
func (h *Host) takeBack(s *State, done progress, cause error) error {
	before := maps.Clone(s.stored)
	if len(done.removed) > 0 {
		known := maps.Clone(before)
		for _, e := range done.added {
			known[e.place()] = e
		}
		if err := h.store.save(known, s.here); err != nil {
			return notTakenBack(cause, err)
		}
	}
	var errs []error
	for _, e := range done.removed {
		if err := s.conn.Add(linkOf(e), e.Addr); err != nil && !errors.Is(err, fs.ErrExist) {
			errs = append(errs, err)
		}
	}
	for _, e := range done.added {
		if err := s.conn.Delete(linkOf(e), e.Addr); err != nil && !errors.Is(err, fs.ErrNotExist) {
			before[e.place()] = e // it is still there, and still ours
			errs = append(errs, err)
		}
	}
	if err := h.store.save(before, s.here); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return notTakenBack(cause, errors.Join(errs...))
	}
	return cause
}

func notTakenBack(cause, why error) error {
	return fmt.Errorf("%w (what was done could not all be taken back: %w; apply again)", cause, why)
}

func linkOf(e entry) kernel.Link { return kernel.Link{Name: e.Link, Index: e.Index} }

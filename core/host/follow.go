package host

import (
	"context"
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxBatch bounds how many datagrams are taken in before watchers are told.
const maxBatch = 4096

// followTable keeps links and addresses.
func (h *Host) followTable(ctx context.Context) error {
	for {
		batch, err := h.events.batch(true)
		if err == nil {
			h.update(func(t *table) bool { return h.take(t, batch) })
			continue
		}
		if !errors.Is(err, errMissed) {
			return err
		}
		if err := errors.Join(h.events.skip(), h.readTable(ctx)); err != nil {
			return err
		}
		signal(h.recheck)
	}
}

// readTable replaces the table by a fresh one. Events that were queued while
// the kernel was asked are taken in before anyone sees the result: an address
// that went meanwhile must not show up again.
func (h *Host) readTable(ctx context.Context) error {
	for {
		fresh, err := h.asks.table(ctx)
		if err != nil {
			return err
		}
		batch, err := h.events.batch(false)
		if errors.Is(err, errMissed) {
			if err := h.events.skip(); err != nil {
				return err
			}
			continue
		} else if err != nil {
			return err
		}
		h.take(fresh, batch)
		h.update(func(t *table) bool {
			fresh.uplinks = t.uplinks
			*t = *fresh
			return true
		})
		return nil
	}
}

// take applies events to t, and reports whether t is another one now.
func (h *Host) take(t *table, events []syscall.NetlinkMessage) (changed bool) {
	for _, m := range events {
		switch m.Header.Type {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			// A message that can't be read says nothing that can be acted on.
			l, err := parseLink(m.Data)
			if err != nil {
				continue
			}
			moved := false
			if m.Header.Type == unix.RTM_NEWLINK {
				moved = t.setLink(l)
			} else {
				moved = t.dropLink(l.Index)
			}
			if moved {
				changed = true
				// IPv4 routes go with their link, or with its last address,
				// without an event of their own.
				signal(h.recheck)
			}
		case unix.RTM_NEWADDR:
			if p, err := parseAddr(m.Data); err == nil {
				changed = t.setAddr(p) || changed
			}
		case unix.RTM_DELADDR:
			if p, err := parseAddr(m.Data); err == nil && t.dropAddr(p) {
				changed = true
				if !t.links[p.index].Loopback {
					signal(h.recheck)
				}
			}
		}
	}
	return changed
}

// hearRoutes asks for a recheck when a default route changes.
func (h *Host) hearRoutes() error {
	for {
		batch, err := h.routeEvents.batch(true)
		if errors.Is(err, errMissed) {
			if err := h.routeEvents.skip(); err != nil {
				return err
			}
			signal(h.recheck)
			continue
		} else if err != nil {
			return err
		}
		for _, m := range batch {
			if isDefault(m.Data) {
				signal(h.recheck)
			}
		}
	}
}

// followUplinks reads the default routes again whenever that is asked for.
func (h *Host) followUplinks(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.recheck:
			if err := h.readUplinks(ctx); err != nil {
				return err
			}
		}
	}
}

func (h *Host) readUplinks(ctx context.Context) error {
	now, err := h.routeAsks.uplinks(ctx)
	if err != nil {
		return err
	}
	h.update(func(t *table) bool {
		moved := t.uplinks != now
		t.uplinks = now
		return moved
	})
	return nil
}

// batch gives the events of as many datagrams as are queued.
func (s *eventSocket) batch(wait bool) ([]syscall.NetlinkMessage, error) {
	var all []syscall.NetlinkMessage
	for range maxBatch {
		msgs, err := s.receive(wait && len(all) == 0)
		if err != nil {
			return nil, err
		}
		if len(msgs) == 0 {
			break
		}
		all = append(all, msgs...)
	}
	return all, nil
}

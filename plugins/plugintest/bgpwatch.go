package plugintest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// watcher runs a backend's Watch.
type watcher struct {
	changes chan plugins.Change
	ended   chan error
	cancel  context.CancelFunc
}

// watch begins to watch. It tells nothing of what has been before, and when it
// listens is not known; so look at the present too.
func (r *bgpRig) watch(ctx context.Context) *watcher {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{changes: make(chan plugins.Change, 1000), ended: make(chan error, 1), cancel: cancel}
	b := r.b
	go func() {
		w.ended <- b.Watch(ctx, func(c plugins.Change) {
			select {
			case w.changes <- c:
			default: // nobody reads so many
			}
		})
	}()
	return w
}

// next waits for a Change that match takes.
func (r *bgpRig) next(ctx context.Context, w *watcher, what string, match func(plugins.Change) bool) (plugins.Change, error) {
	deadline := time.After(r.under.Patience)
	for {
		select {
		case c := <-w.changes:
			if c.Why == "" {
				return c, fmt.Errorf("its Watch told %+v, without a reason", c)
			}
			if err := r.keepsSecrets(c.Why); err != nil {
				return c, fmt.Errorf("its Watch: %w", err)
			}
			if match(c) {
				return c, nil
			}
		case err := <-w.ended:
			return plugins.Change{}, fmt.Errorf("its Watch returned %v before its context ended", err)
		case <-deadline:
			return plugins.Change{}, fmt.Errorf("its Watch told nothing of %s in %s", what, r.under.Patience)
		case <-ctx.Done():
			return plugins.Change{}, ctx.Err()
		}
	}
}

// end expects Watch to return nil soon.
func (w *watcher) end() error {
	w.cancel()
	select {
	case err := <-w.ended:
		if err != nil {
			return fmt.Errorf("its Watch gave %w at the end of its context, want nil", err)
		}
		return nil
	case <-time.After(endTime):
		return errors.New("its Watch does not return at the end of its context")
	}
}

func caseWatchSessions(ctx context.Context, r *bgpRig) error {
	w := r.watch(ctx)
	defer w.cancel()
	s, want, err := r.one(ctx, role(vip6, 1))
	if err != nil {
		return err
	}
	// As core does: after each hint it looks. The last hint must not come before
	// what it hints at.
	sees := func(up bool, since time.Time) func(plugins.Change) bool {
		return func(c plugins.Change) bool {
			states, err := r.observe(ctx)
			s := states["rs1"]
			return err == nil && c.Object == "rs1" && (s.State == plugins.StateEstablished) == up && s.Since.After(since)
		}
	}
	// What was up before Watch looked is no news to it: then once more.
	first := func() error {
		soon, cancel := context.WithTimeout(ctx, r.under.Patience/5)
		defer cancel()
		_, err := r.next(soon, w, "the session that came up", sees(true, time.Time{}))
		return err
	}
	err = first()
	for tries := 1; tries < 4 && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil; tries++ {
		if err := s.Close(); err != nil {
			return err
		}
		if s, err = r.server(1); err != nil {
			return err
		}
		if err := r.settled(ctx, s, want); err != nil {
			return err
		}
		err = first()
	}
	if err != nil {
		return fmt.Errorf("its Watch told nothing of a session that came up: %w", err)
	}
	if err := s.Close(); err != nil {
		return err
	}
	if _, err := r.next(ctx, w, "the lost session", sees(false, time.Time{})); err != nil {
		return err
	}
	lost := time.Now().Truncate(time.Second).Add(-1) // some daemons know whole seconds only
	if _, err := r.server(1); err != nil {
		return err
	}
	if _, err := r.next(ctx, w, "the session that is back", sees(true, lost)); err != nil {
		return err
	}
	return w.end()
}

package confirm

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lookEvery is how often a guard looks whether the trial is still the same:
	// it may be confirmed, or its deadline moved. A timer alone would sleep too
	// long on a host that was suspended.
	lookEvery = time.Second
	retryMin  = time.Second
	retryMax  = 30 * time.Second
)

// Watch waits for the deadline and has rollBack do the way back, again and
// again until it is done. It returns when there is no trial any more.
// rollBack must look at the trial itself, once it holds the lock.
func (s Store) Watch(ctx context.Context, log *slog.Logger, rollBack func(context.Context) error) {
	watch(ctx, log, s.Trial, Now, rollBack)
}

func watch(ctx context.Context, log *slog.Logger, read func() (*Trial, error), now func() (Moment, error), rollBack func(context.Context) error) {
	retry := retryMin
	for {
		pause := lookEvery
		t, err := read()
		if err == nil {
			var at Moment
			if at, err = now(); err == nil {
				switch {
				case t.On(at):
					pause = min(pause, t.Left(at))
				case t.Due(at):
					err = rollBack(ctx)
				default:
					return
				}
			}
		}
		if err != nil {
			log.Error("the config on trial is not rolled back yet, will try again", "error", err, "retry", retry)
			pause, retry = retry, min(2*retry, retryMax)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Guard is Watch in a process of its own. A second one waits for the first to
// end, and finds nothing to do.
func (s Store) Guard(ctx context.Context, log *slog.Logger, rollBack func(context.Context) error) error {
	for {
		if err := s.guard(ctx, log, rollBack); err != nil || ctx.Err() != nil {
			return err
		}
		// A trial that began after the last look, by somebody who took this
		// process for its guard, must not be left alone.
		if t, err := s.Trial(); err != nil || t == nil || !t.RolledBack.IsZero() {
			return err
		}
	}
}

func (s Store) guard(ctx context.Context, log *slog.Logger, rollBack func(context.Context) error) error {
	f, err := os.OpenFile(s.guardLock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("guard: lock %s: %w", f.Name(), err)
	}
	s.Watch(ctx, log, rollBack)
	return nil
}

func (s Store) guardLock() string { return filepath.Join(s.Dir, "guard.lock") }

// guarded reports whether a guard runs: it holds its lock for all its life.
func (s Store) guarded() (bool, error) {
	f, err := os.OpenFile(s.guardLock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return true, nil
	}
	return false, err
}

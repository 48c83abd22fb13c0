package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/stentor-net/stentor/core/confirm"
	"github.com/stentor-net/stentor/core/control"
)

// Lock takes the state folder for this process, until unlock is called or the
// process ends.
func Lock(stateDir string) (unlock func(), err error) {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	path := filepath.Join(stateDir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		f.Close()
		return nil, &lockedError{&control.Error{Kind: control.KindRefused, Message: fmt.Sprintf(
			"another stentor works on %s; stop it first, or give this one its own --state-dir and --socket", stateDir)}}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// ErrLocked says that another process has the state folder.
var ErrLocked = errors.New("locked")

// lockedError is an ErrLocked that says more.
type lockedError struct{ err *control.Error }

func (e *lockedError) Error() string        { return e.err.Message }
func (e *lockedError) Is(target error) bool { return target == ErrLocked }
func (e *lockedError) Unwrap() error        { return e.err }

const (
	lockTime  = 30 * time.Second // an apply on a slow stack is done by then
	lockEvery = 50 * time.Millisecond
)

// WaitLock is Lock for what has to be done as soon as another one is.
func WaitLock(ctx context.Context, stateDir string) (unlock func(), err error) {
	deadline := time.Now().Add(lockTime)
	for {
		unlock, err = Lock(stateDir)
		if !errors.Is(err, ErrLocked) || time.Now().After(deadline) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(lockEvery):
		}
	}
}

// lock takes the state folder. A guard that is rolling back has it for a moment.
func (d *Daemon) lock(ctx context.Context) (unlock func(), err error) {
	if trial, err := d.store.Trial(); err == nil {
		if now, err := confirm.Now(); err == nil && trial.Due(now) {
			return WaitLock(ctx, d.StateDir)
		}
	}
	return Lock(d.StateDir)
}

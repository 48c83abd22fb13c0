package hostfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	scratchName = ".scratch"
	// scratchRetry is how often a folder that somebody else uses is asked for.
	scratchRetry = 20 * time.Millisecond
)

// Scratch is a folder for the copies of a host's files that a stack's own
// parser is to read. They may hold secrets, so it lies below Dir, which is the
// backend's alone, and not below /tmp. Its name is fixed, so that a kill leaves
// at most one, which Sweep removes.
type Scratch struct{ Dir string }

// Use gives f the folder, empty, and removes it in the end. Whoever else wants
// it waits.
func (s Scratch) Use(ctx context.Context, f func(dir string) error) error {
	lock, err := s.lock()
	for errors.Is(err, unix.EWOULDBLOCK) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is in use by another stentor: %w", s.path(), ctx.Err())
		case <-time.After(scratchRetry):
			lock, err = s.lock()
		}
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := errors.Join(os.RemoveAll(s.path()), os.Mkdir(s.path(), 0o700)); err != nil {
		return fmt.Errorf("make a folder for copies to check: %w", err)
	}
	return errors.Join(f(s.path()), os.RemoveAll(s.path()))
}

// Sweep removes what a process that was killed left behind.
func (s Scratch) Sweep() error {
	if _, err := os.Lstat(s.path()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := s.lock()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil // it is in use
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	return os.RemoveAll(s.path())
}

func (s Scratch) path() string { return filepath.Join(s.Dir, scratchName) }

// lock takes the lock of Dir, which ends with the file, or with the process.
func (s Scratch) lock() (*os.File, error) {
	f, err := os.Open(s.Dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

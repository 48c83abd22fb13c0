package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/contrib/lab/internal/netns"
)

const (
	stateFile = "lab.json"
	lockFile  = "lock"
)

// state is what a later process needs to remove a lab that crashed. It is
// written before the first namespace is made.
type state struct {
	Namespaces []string `json:"namespaces"` // paths
}

func (l *Lab) netnsName(node string) string { return l.opts.Name + "-" + node }

// netnsDir is where ip-netns(8) finds the namespaces; in a sandbox, whose
// mounts nobody else sees, the lab's own folder.
func (l *Lab) netnsDir() string {
	if sandboxed() {
		return filepath.Join(l.opts.Dir, "netns")
	}
	return netns.IPRoute2Dir
}

func (l *Lab) remember() error {
	var s state
	for _, node := range l.topology.inside(l.opts.Outside).nodes {
		if _, err := os.Lstat(l.NetNS(node)); err == nil {
			return fmt.Errorf("lab: network namespace %s exists and is not this lab's; choose another name", l.NetNS(node))
		}
		s.Namespaces = append(s.Namespaces, l.NetNS(node))
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.opts.Dir, stateFile), b, 0o644); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

// sweep ends and removes the lab whose state lies in dir, but for the files
// there. No state is no lab.
func sweep(ctx context.Context, dir string) error {
	path := filepath.Join(dir, stateFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("lab: state file %s: %w; remove the namespaces with `ip netns delete`, and then the file", path, err)
	}
	if err := netns.End(ctx, s.Namespaces, 2*time.Second); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	for _, ns := range s.Namespaces {
		if err := netns.Remove(ns); err != nil {
			return fmt.Errorf("lab: %w", err)
		}
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

// takeDir makes the folder this process's own for as long as it lives, and
// clears what a crashed lab left in it. The lock is the process's (fcntl_locking(2)),
// so that it tells others who holds it, whatever PID namespace they are in.
func takeDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	path := filepath.Join(dir, lockFile)
	if _, err := os.Stat(path); err != nil && len(entries) > 0 {
		return nil, fmt.Errorf("lab: folder %s has files in it that are no lab's; choose another one", dir)
	}
	// Not followed: the folder may lie in one that others can write to.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		f.Close()
		return nil, fmt.Errorf("lab: the one in %s is up; take it down first: stentor lab down", dir)
	}
	if err := sweep(context.Background(), dir); err != nil {
		f.Close()
		return nil, err
	}
	for _, e := range entries {
		if e.Name() == lockFile {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			f.Close()
			return nil, fmt.Errorf("lab: %w", err)
		}
	}
	return f, nil
}

// owner is the process that has the lab in dir up; 0 is none.
func owner(dir string) (pid int, err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("lab: %w", err)
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil {
		return 0, fmt.Errorf("lab: %s: %w", f.Name(), err)
	}
	if lock.Type == unix.F_UNLCK {
		return 0, nil
	}
	return int(lock.Pid), nil
}

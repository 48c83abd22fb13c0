package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// End stops every process in the namespaces at paths: SIGTERM, and SIGKILL for
// those that are still there after grace. A process belongs to a namespace by
// the inode of its /proc/PID/ns/net, so that children of children are found
// and a pid that was used again is never mistaken.
func End(ctx context.Context, paths []string, grace time.Duration) error {
	ours := map[inode]bool{}
	for _, p := range paths {
		id, err := inodeOf(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		ours[id] = true
	}
	ctx, cancel := context.WithTimeout(ctx, grace+5*time.Second)
	defer cancel()
	kill := time.Now().Add(grace)
	asked := map[int]bool{}
	for {
		pids, err := inside(ours)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			switch {
			case time.Now().After(kill):
				err = signal(pid, ours, unix.SIGKILL)
			case !asked[pid]:
				asked[pid] = true
				err = signal(pid, ours, unix.SIGTERM)
			}
			if err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes %v do not end: %w", pids, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// inode names a namespace: device and inode number of its nsfs file.
type inode struct{ dev, ino uint64 }

func inodeOf(path string) (inode, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return inode{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return inode{st.Dev, st.Ino}, nil
}

// inside lists the processes whose network namespace is one of ours. A zombie
// has none any more, and is not listed.
func inside(ours map[inode]bool) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// An error here is a process that has ended, or another user's.
		if id, err := inodeOf(netOf(pid)); err == nil && ours[id] {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func netOf(pid int) string { return filepath.Join("/proc", strconv.Itoa(pid), "ns/net") }

// signal looks at the namespace again after it holds the process by a pidfd,
// which no later process can take over.
func signal(pid int, ours map[inode]bool, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if id, err := inodeOf(netOf(pid)); err != nil || !ours[id] {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("%s to process %d: %w", sig, pid, err)
	}
	return nil
}

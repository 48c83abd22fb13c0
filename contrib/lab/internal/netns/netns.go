// Package netns makes, enters and removes named network namespaces, and ends
// the processes that live in them.
package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// IPRoute2Dir is where ip-netns(8) looks for namespaces by name.
const IPRoute2Dir = "/run/netns"

// Namespace is a network namespace that a file keeps alive (a bind mount of
// its nsfs inode, network_namespaces(7)).
type Namespace struct {
	Path string
	file *os.File
}

// Create makes a namespace and binds it to dir/name. A file that is there
// already belongs to somebody else: it is an error, and stays.
func Create(dir, name string) (*Namespace, error) {
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", name, err)
	}
	mountpoint, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", name, err)
	}
	mountpoint.Close()
	err = onThread(func() (restore bool, err error) {
		// The thread's own namespace is a new one from here on; it is never
		// given back to the scheduler.
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return false, err
		}
		return false, unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
	})
	if err != nil {
		os.Remove(path)
		return nil, fmt.Errorf("network namespace %s: %w", name, err)
	}
	n, err := Open(path)
	if err != nil {
		return nil, errors.Join(err, Remove(path))
	}
	return n, nil
}

// Open gives a handle to the namespace at path.
func Open(path string) (*Namespace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	return &Namespace{Path: path, file: f}, nil
}

// Fd is the handle that setns(2) and netlink take. It is valid until Close.
func (n *Namespace) Fd() int { return int(n.file.Fd()) }

// Close frees the handle; the namespace stays.
func (n *Namespace) Close() error { return n.file.Close() }

// Do runs f on a thread inside the namespace. Sockets that f opens and
// processes that f starts stay in it; goroutines that f starts do not.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() (bool, error) {
		own, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return true, err
		}
		defer own.Close()
		if err := unix.Setns(n.Fd(), unix.CLONE_NEWNET); err != nil {
			return true, fmt.Errorf("enter %s: %w", n.Path, err)
		}
		err = f()
		return unix.Setns(int(own.Fd()), unix.CLONE_NEWNET) == nil, err
	})
}

// onThread runs f on a thread of its own. A thread whose namespace f could not
// restore stays locked, so that the runtime ends it with its goroutine.
func onThread(f func() (restored bool, err error)) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		restored, err := f()
		if restored {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// Sysctl sets a key below net. in the namespace; /proc/sys/net shows the
// namespace of the thread that opens it.
func (n *Namespace) Sysctl(key, value string) error {
	path := filepath.Join("/proc/sys/net", strings.ReplaceAll(key, ".", "/"))
	err := n.Do(func() error { return os.WriteFile(path, []byte(value), 0) })
	if err != nil {
		return fmt.Errorf("set net.%s=%s in %s: %w", key, value, n.Path, err)
	}
	return nil
}

// Remove takes the namespace's name away; the kernel frees the namespace and
// its links once no process and no socket is left in it. Nothing there is fine.
func Remove(path string) error {
	unmounted := unix.Unmount(path, unix.MNT_DETACH)
	// The file alone is left of a namespace that died with its sandbox, and of
	// a Create that was cut off; then only the removal has to work.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove network namespace %s: %w", path, errors.Join(unmounted, err))
	}
	return nil
}

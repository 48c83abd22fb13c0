package netns

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Thread is one OS thread that lasts until Close. The parent-death signal of a
// process that a thread starts comes when that thread ends, not its process
// (PR_SET_PDEATHSIG, prctl(2)); and the Go runtime ends threads.
type Thread struct{ work chan func() }

// NewThread starts one.
func NewThread() *Thread {
	t := &Thread{work: make(chan func())}
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		for f := range t.work {
			f()
		}
	}()
	return t
}

// Close ends the thread. Do must not be called after it.
func (t *Thread) Close() { close(t.work) }

// Do runs f on the thread, inside n.
func (t *Thread) Do(n *Namespace, f func() error) error {
	done := make(chan error, 1)
	t.work <- func() { done <- within(n, f) }
	return <-done
}

func within(n *Namespace, f func() error) (err error) {
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer own.Close()
	if err := unix.Setns(n.Fd(), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter %s: %w", n.Path, err)
	}
	defer func() {
		// f decided where it works; the thread's next user must not inherit it.
		if e := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); e != nil && err == nil {
			err = fmt.Errorf("leave %s: %w", n.Path, e)
		}
	}()
	return f()
}

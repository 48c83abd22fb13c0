package plugintest

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// NetHost is a host for a network backend under test: a network namespace.
type NetHost struct{ space *namespace }

// NewNetHost makes one, whose lo is up. That needs root and ip(8).
func NewNetHost() (*NetHost, error) {
	space, err := newNamespace()
	if err != nil {
		return nil, err
	}
	return &NetHost{space: space}, nil
}

// NetNS is the file of the namespace. It is there until Close.
func (h *NetHost) NetNS() string { return h.space.file() }

// NetNS is the file of the host's namespace. It is there as long as the case.
func (h *BGPHost) NetNS() string { return h.space.file() }

func (n *namespace) file() string { return fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), n.tid) }

// Do runs f on a thread of its own in the namespace, beside other calls of Do,
// as Net.Inside has to. Goroutines that f starts are elsewhere.
func (h *NetHost) Do(f func()) {
	failed := make(chan error)
	go func() {
		defer close(failed)
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		ns, err := os.Open(h.NetNS())
		if err != nil {
			failed <- err
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			failed <- err
			return
		}
		f()
	}()
	if err, ok := <-failed; ok {
		// The namespace is ours and open, so f can't just be left out.
		panic(fmt.Sprintf("enter the network namespace: %v", err))
	}
}

// Close ends the namespace.
func (h *NetHost) Close() { h.space.close() }

// Package hosttest runs tests in network namespaces of their own.
package hosttest

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// NS is a network namespace that goes away with its test. It has nothing but
// a lo that is down.
type NS struct {
	tb     testing.TB
	handle netns.NsHandle
}

// New makes a namespace, or skips the test when it may not.
func New(tb testing.TB) *NS {
	tb.Helper()
	ns := &NS{tb: tb, handle: netns.None()}
	var err error
	onThread(func() { ns.handle, err = netns.New() })
	if err != nil {
		tb.Skipf("needs root: make a network namespace: %v", err)
	}
	tb.Cleanup(func() { _ = ns.handle.Close() })
	return ns
}

// Do runs f inside. FailNow and its kin may be called from f.
func (ns *NS) Do(f func()) {
	ns.tb.Helper()
	var err error
	onThread(func() {
		if err = unix.Setns(int(ns.handle), unix.CLONE_NEWNET); err == nil {
			f()
		}
	})
	if err != nil {
		ns.tb.Fatalf("enter the network namespace: %v", err)
	}
	if ns.tb.Failed() {
		ns.tb.FailNow()
	}
}

// IP runs ip(8) inside, once for each line of script, and gives its output.
func (ns *NS) IP(script string) string {
	ns.tb.Helper()
	var out []byte
	var err error
	onThread(func() {
		if err = unix.Setns(int(ns.handle), unix.CLONE_NEWNET); err != nil {
			return
		}
		cmd := exec.Command("ip", "-batch", "-")
		cmd.Stdin = strings.NewReader(script + "\n")
		out, err = cmd.CombinedOutput()
	})
	if err != nil {
		ns.tb.Fatalf("ip -batch: %v\n%.1000s\n%.1000s", err, out, script)
	}
	return string(out)
}

// onThread runs f on an OS thread that ends with it, so that no other
// goroutine is ever scheduled in the wrong namespace.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

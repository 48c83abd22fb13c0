package host

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/core/host/hosttest"
)

// TestOverflow makes the kernel drop events, once before the first look and
// once while the Host follows, and expects nothing to be missing after it.
func TestOverflow(t *testing.T) {
	const count = 500
	ns := hosttest.New(t)
	var h *Host
	ns.Do(func() {
		var err error
		if h, err = Open(); err != nil {
			t.Fatal(err)
		}
	})
	for _, s := range []*eventSocket{h.events, h.routeEvents} {
		err := s.conn.Control(func(fd uintptr) {
			if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ns.IP(script("add", "10.1", count))

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	<-h.Ready()
	if n := len(h.View().Addrs); n != count {
		t.Errorf("the first View has %d addresses, want %d", n, count)
	}

	h.mu.Lock() // the reader stops at its next event
	ns.IP(script("add", "10.2", count))
	ns.IP(script("del", "10.1", count))
	h.mu.Unlock()
	expectOf(t, h, count)

	h.mu.Lock() // of the first of these it hears, of their end it does not
	ns.IP(script("add", "10.1", count))
	ns.IP(script("del", "10.1", count))
	ns.IP(script("del", "10.2", count))
	h.mu.Unlock()
	expectOf(t, h, 0)
}

// expectOf waits until there are so many addresses in 10.2 and none in 10.1.
func expectOf(t *testing.T, h *Host, count int) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		v := h.View()
		old, fresh := 0, 0
		for a := range v.Addrs {
			switch a.As4()[1] {
			case 1:
				old++
			case 2:
				fresh++
			}
		}
		if old == 0 && fresh == count {
			return
		}
		select {
		case <-h.Changed():
		case <-deadline:
			t.Fatalf("%d deleted addresses are left, and %d of %d new ones there", old, fresh, count)
		}
	}
}

// TestReadWhileItChanges reads while addresses are added: what an event says
// that was queued during the read must be in the table. Each round has a few
// events between the kernel's answer and the end of the read.
func TestReadWhileItChanges(t *testing.T) {
	const rounds, count = 20, 400
	ns := hosttest.New(t)
	var h *Host
	ns.Do(func() {
		var err error
		if h, err = Open(); err != nil {
			t.Fatal(err)
		}
	})
	defer h.close()
	follow := func(wait bool) {
		batch, err := h.events.batch(wait)
		if err != nil {
			t.Fatal(err)
		}
		h.update(func(t *table) bool { return h.take(t, batch) })
	}
	for round := range rounds {
		done := make(chan struct{})
		go func() {
			defer close(done)
			ns.IP(script("add", "10.1", count))
		}()
		follow(true) // it has begun
		if err := h.readTable(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-done
		follow(false)
		if n := len(h.View().Addrs); n != count {
			t.Fatalf("round %d: %d addresses of %d", round, n, count)
		}
		ns.IP(script("del", "10.1", count))
	}
}

func script(verb, net string, count int) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, "address %s %s.%d.%d/32 dev lo\n", verb, net, i/250, i%250)
	}
	return b.String()
}

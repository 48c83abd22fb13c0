package iproute

import (
	"context"
	"testing"
	"time"

	"github.com/stentor-net/stentor/netbackends/internal/nstest"
	"github.com/stentor-net/stentor/plugins"
)

func TestWatch(t *testing.T) {
	ns := nstest.New(t)
	ns.IP("address add 203.0.113.99/32 dev lo")
	b := newBackend(t, t.TempDir())
	ns.Do(func() { apply(t, b, web, "api 203.0.113.11 lo", "theirs 203.0.113.99 lo") })
	ctx, cancel := context.WithCancel(context.Background())
	changes := make(chan plugins.Change, 16)
	ended := make(chan error, 1)
	go ns.Do(func() { ended <- b.Watch(ctx, func(c plugins.Change) { changes <- c }) })

	// Watch may not listen yet, so the disturbance is repeated until it is told.
	expect := func(want plugins.Change, disturb string) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for {
			ns.IP(disturb)
			select {
			case got := <-changes:
				if got == want {
					return
				}
				if got.Object != "web" { // a late one of a repetition
					t.Fatalf("got %+v, want %+v", got, want)
				}
			case <-time.After(20 * time.Millisecond):
			case <-deadline:
				t.Fatalf("never told %+v", want)
			}
		}
	}
	expect(plugins.Change{Object: "web", Why: "203.0.113.10/32 was taken off lo", Lost: true},
		"address replace 203.0.113.10/32 dev lo\naddress del 203.0.113.10/32 dev lo")

	// What we take off ourselves, and what nobody asked for, is not told.
	ns.Do(func() { apply(t, b, "theirs 203.0.113.99 lo") })
	expect(plugins.Change{Object: "theirs", Why: "203.0.113.99/32 was taken off lo"},
		`address add 198.51.100.1/32 dev lo
address del 198.51.100.1/32 dev lo
address replace 203.0.113.99/32 dev lo
address del 203.0.113.99/32 dev lo`)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch: %v", err)
	}
}

package networkmanager

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

// slowScripts takes the place of nm-dispatcher, for which NetworkManager waits
// in the middle of a deactivation, and never answers. asked gets its call; over
// ends the wait.
func (r *rig) slowScripts() (asked <-chan *dbus.Message, over func()) {
	r.t.Helper()
	conn, err := dbus.Connect("unix:path=" + r.dir + "/bus")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.RequestName("org.freedesktop.nm_dispatcher", 0); err != nil {
		r.t.Fatal(err)
	}
	calls := make(chan *dbus.Message, 16)
	conn.Eavesdrop(calls)
	return calls, func() { _ = conn.Close() }
}

// An Apply comes while NetworkManager still does what somebody else asked for,
// or what an Apply that was cut off left behind.
func TestInMotion(t *testing.T) {
	for _, d := range []device{vxlan, loopback} {
		t.Run(d.kind, func(t *testing.T) {
			r := newRig(t)
			if !d.own() && !r.version().atLeast(loopbackSince) {
				return // TestLoopback has it
			}
			b := r.backend(d)
			r.mustApply(b, web, dns)
			before := r.contents()
			asked, over := r.slowScripts()
			down := r.start("nmcli", "connection", "down", "stentor")
			waiting := false
			r.until("NetworkManager waits for the script", func() bool {
				select {
				case call := <-asked:
					waiting = call.Type == dbus.TypeMethodCall
				default:
				}
				return waiting
			})

			impatient := r.backend(d)
			impatient.settle = 100 * time.Millisecond
			err := r.apply(impatient, api, dns)
			if !errors.Is(err, plugins.ErrUnavailable) || !strings.HasPrefix(err.Error(), "NetworkManager is still busy with "+d.link) {
				t.Errorf("Apply in the middle: %v", err)
			}
			if d := cmp.Diff(before, r.contents()); d != "" {
				t.Errorf("files (-before +after):\n%s", d)
			}

			ended := make(chan error, 1)
			go r.ns.Do(func() { ended <- b.Apply(context.Background(), vips(api, dns)) })
			over()
			if err := <-ended; err != nil {
				t.Errorf("Apply: %v", err)
			}
			if err := down.Wait(); err != nil {
				t.Errorf("nmcli: %v", err)
			}
			if d := cmp.Diff([]string{"2001:db8::10/128 " + d.link, "203.0.113.11/32 " + d.link}, r.addresses()); d != "" {
				t.Errorf("host (-want +got):\n%s", d)
			}
			if again := r.plan(b, api, dns); len(again) > 0 {
				t.Errorf("a second Apply would %v", again)
			}
			r.loStands()
		})
	}
}

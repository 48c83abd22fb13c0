package dropin

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stentor-net/stentor/netbackends/internal/nstest"
	"github.com/stentor-net/stentor/plugins"
)

func TestWatch(t *testing.T) {
	ns := nstest.New(t)
	r := newRig(t)
	e := r.engine()
	apply := func(want ...string) {
		t.Helper()
		ns.Do(func() {
			if err := e.Apply(context.Background(), vips(want...)); err != nil {
				t.Fatal(err)
			}
		})
	}
	apply(web)
	ctx, cancel := context.WithCancel(context.Background())
	changes := make(chan plugins.Change, 64)
	ended := make(chan error, 1)
	go ns.Do(func() { ended <- e.Watch(ctx, func(c plugins.Change) { changes <- c }) })
	// Watch may not listen yet, so a disturbance is repeated until it is told.
	expect := func(want plugins.Change, disturb func()) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for {
			disturb()
			select {
			case got := <-changes:
				if got == want {
					return
				}
				if got.Object != "web" { // a late one of a repetition
					t.Fatalf("got %+v, want %+v", got, want)
				}
			case <-time.After(20 * time.Millisecond):
			case err := <-ended:
				t.Fatalf("Watch ended: %v", err)
			case <-deadline:
				t.Fatalf("never told %+v", want)
			}
		}
	}
	expect(plugins.Change{Object: "web", Why: "203.0.113.10/32 was taken off lo", Lost: true}, func() {
		ns.IP("address replace 203.0.113.10/32 dev lo\naddress del 203.0.113.10/32 dev lo")
	})
	apply(web, dns) // a change of our own is no news
	apply(web)
	ours := r.read(file)
	expect(plugins.Change{Object: file, Why: file + " was edited by hand"}, func() { r.write(file, ours+"# mine\n") })
	r.write(file, ours)
	expect(plugins.Change{Object: file, Why: file + " was removed or replaced: nothing brings the addresses back after a reboot"}, func() {
		if err := os.RemoveAll(filepath.Join(r.root, file)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	})
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch: %v", err)
	}
}

// TestWatchOfReplacements: a file that is replaced by itself again and again, as
// by an editor or a copy of /etc that is put back, is no news.
func TestWatchOfReplacements(t *testing.T) {
	r := newRig(t)
	e := r.engine()
	nstest.New(t).Do(func() {
		if err := e.Apply(context.Background(), vips(web)); err != nil {
			t.Fatal(err)
		}
	})
	ours := r.read(file)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- e.watchFiles(ctx, func(c plugins.Change) { t.Errorf("told %+v", c) })
	}()
	for range 1000 {
		r.write(file, ours)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

package host

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// TestBackground: the backend is there before its process is. Calls wait for
// that, and it has been configured by then.
func TestBackground(t *testing.T) {
	r := newRig(t)
	r.Background = true
	path := r.install("slow")
	b := r.open("slow")
	if s := b.State(); s.PID != 0 || s.LastEnd != "" {
		t.Errorf("%+v", s)
	}
	r.write(path+".ready", nil, 0o644)
	if err := b.Configure(t.Context(), plugins.Config{Settings: map[string]any{"why": "because"}}); err != nil {
		t.Fatal(err)
	}
	if d, err := b.Detect(t.Context()); err != nil || d.Why != "because" {
		t.Errorf("%+v, %v", d, err)
	}
	if s := b.State(); s.PID == 0 || s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
}

// TestBackgroundFails: a first process that does not come up is like one that
// has ended: calls tell, and the next one is under way.
func TestBackgroundFails(t *testing.T) {
	r := newRig(t)
	r.Background = true
	r.install("exits")
	b := r.open("exits")
	if _, err := b.Detect(t.Context()); !errors.Is(err, plugins.ErrUnavailable) || !strings.Contains(err.Error(), "ended before it shook hands") {
		t.Error(err)
	}
	r.eventually("the next one", func() bool { return strings.Contains(b.State().LastEnd, "ended before") && !b.State().NextAt.IsZero() })
}

// TestBackgroundCloses: one that comes up is not waited for, and none is left.
func TestBackgroundCloses(t *testing.T) {
	r := newRig(t)
	r.Background = true
	r.install("ok")
	b, err := r.tryOpen("ok")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := b.Detect(t.Context()); err == nil {
		t.Error("a closed backend answers")
	}
}

// TestCloseOfHung: one that never shakes hands is not waited for either.
func TestCloseOfHung(t *testing.T) {
	r := newRig(t)
	r.Background = true
	r.limits.start = time.Hour
	path := r.install("hangstart")
	b, err := r.tryOpen("hangstart")
	if err != nil {
		t.Fatal(err)
	}
	runs := func() bool {
		all, err := filepath.Glob("/proc/[0-9]*/exe")
		return err == nil && slices.ContainsFunc(all, func(exe string) bool {
			to, err := os.Readlink(exe)
			return err == nil && to == path
		})
	}
	r.eventually("it runs", runs)
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	r.eventually("it is closed", func() bool { return len(closed) > 0 })
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if runs() {
		t.Error("it runs on")
	}
}

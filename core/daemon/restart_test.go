package daemon

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/confirm"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/policy"
	"github.com/stentor-net/stentor/core/reconcile"
	"github.com/stentor-net/stentor/core/statefile"
)

// TestStartable: a mistake in the config on disk is known before the routes are
// left to a next run; a config on trial is not read from there.
func TestStartable(t *testing.T) {
	mistake := errors.New("a mistake")
	d := &Daemon{Options: Options{Read: func() (*config.Config, []config.Finding, error) { return nil, nil, mistake }}}
	if err := d.startable(); !errors.Is(err, mistake) {
		t.Errorf("with a mistake: %v", err)
	}
	d.trial.Store(&confirm.Trial{})
	if err := d.startable(); err != nil {
		t.Errorf("with a config on trial: %v", err)
	}
}

// TestHeritage: the run that follows takes over what it was left, once and if it
// is not too old.
func TestHeritage(t *testing.T) {
	d := &Daemon{Options: Options{Socket: filepath.Join(t.TempDir(), "stentor.sock"), Log: slog.New(slog.DiscardHandler)}}
	past := reconcile.Past{"web": policy.Memory{Began: time.Unix(1700000000, 0), Health: health.Up, Route: policy.AsRole}}
	d.bequeath(past)
	got, err := d.inherit()
	if d := cmp.Diff(past, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if got, err := d.inherit(); got != nil || err != nil {
		t.Errorf("a second time: %v, %v", got, err)
	}
	for name, at := range map[string]time.Time{"too old": time.Now().Add(-pastAge - time.Second), "of the future": time.Now().Add(time.Hour)} {
		if err := statefile.Write(d.heritagePath(), heritage{At: at, Past: past}); err != nil {
			t.Fatal(err)
		}
		if got, err := d.inherit(); got != nil || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if err := os.WriteFile(d.heritagePath(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := d.inherit(); got != nil || err == nil {
		t.Errorf("half a file: %v, %v", got, err)
	}
	if _, err := os.Stat(d.heritagePath()); !os.IsNotExist(err) {
		t.Errorf("half a file stays: %v", err)
	}
}

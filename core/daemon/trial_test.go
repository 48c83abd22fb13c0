package daemon

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/confirm"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/status"
)

const mail = "[vip.mail]\naddress = \"203.0.113.25/32\"\nrole = \"secondary\"\n"

// TestFirst: which config a daemon begins with.
func TestFirst(t *testing.T) {
	now, err := confirm.Now()
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) []config.File { return []config.File{{Path: "/x", Text: s}} }
	trial := func(left time.Duration) *confirm.Trial {
		return &confirm.Trial{Began: now, Deadline: now.Add(left), Tried: text(sound + mail), Before: text(sound)}
	}
	over := trial(-time.Hour)
	over.RolledBack = now.Wall
	unknown := *over
	unknown.Before = nil
	unknown.Held = []confirm.Held{{VIP: "mail", Address: netip.MustParseAddr("203.0.113.25"), Link: "lo"}}
	other := strings.ReplaceAll(sound, "web", "www")
	tests := map[string]struct {
		trial *confirm.Trial
		disk  string
		want  []string // its VIPs
		stays bool     // the trial
	}{
		"no trial":                    {nil, sound + mail, []string{"mail", "web"}, false},
		"on trial":                    {trial(time.Hour), sound + mail, []string{"mail", "web"}, true},
		"on trial, and another comes": {trial(time.Hour), other, []string{"mail", "web"}, true},
		"on trial, and it is gone":    {trial(time.Hour), "", []string{"mail", "web"}, true},
		"due":                         {trial(-time.Second), sound + mail, []string{"web"}, true},
		"due, and another came":       {trial(-time.Second), other, []string{"web"}, true},
		"rolled back":                 {over, sound + mail, []string{"web"}, true},
		"rolled back to nothing":      {&unknown, sound + mail, []string{"mail"}, true},
		"rolled back, and corrected":  {over, other, []string{"www"}, false},
	}
	for name, tt := range tests {
		o := options(t, tt.disk)
		unlock, err := Lock(o.StateDir) // makes the folder
		if err != nil {
			t.Fatal(err)
		}
		store := confirm.Store{Dir: o.StateDir}
		if err := store.Save(tt.trial); err != nil {
			t.Fatal(err)
		}
		cfg, left, err := first(o, store)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, names(cfg)); diff != "" {
			t.Errorf("%s: VIPs (-want +got):\n%s", name, diff)
		}
		kept, err := store.Trial()
		if (left != nil) != tt.stays || (kept != nil) != tt.stays || err != nil {
			t.Errorf("%s: trial %+v, on disk %+v, %v", name, left, kept, err)
		}
		unlock()
	}
}

// TestApplyGoesBack: the kernel has nothing of what this backend says that it
// holds, so a VIP more is not on the host.
func TestApplyGoesBack(t *testing.T) {
	t.Parallel()
	o := options(t, strings.Split(sound, "[vip.web]")[0])
	guards := 0
	o.Guard = func(context.Context) error { guards++; return nil }
	client, _ := start(t, o, nil)
	done, err := client.Apply(t.Context(), 10*time.Second, 0)
	if err != nil || !done.Converged || done.Generation != 1 || !done.Until.IsZero() {
		t.Errorf("nothing new: %+v, %v", done, err)
	}
	write(t, o.Config, sound)
	_, err = client.Apply(t.Context(), 10*time.Second, time.Minute)
	var e *control.Error
	const want = "the change cost the host something, so the old config is in force again: 203.0.113.10 is not on the host"
	if !errors.As(err, &e) || e.Kind != control.KindFailed || e.Message != want {
		t.Errorf("%v", err)
	}
	if s := statusOf(t, client); s.Generation != 3 || len(s.VIPs) != 0 || !s.ConfirmBy.IsZero() {
		t.Errorf("%+v", s)
	}
	if left, err := (confirm.Store{Dir: o.StateDir}).Trial(); left != nil || err != nil || guards != 1 {
		t.Errorf("a trial that failed: %+v, %v, %d guards", left, err, guards)
	}
}

// TestApplyOneAtATime: none of those who ask at once is told of half a change.
func TestApplyOneAtATime(t *testing.T) {
	bare := strings.Split(sound, "[vip.web]")[0]
	o := options(t, bare)
	client, _ := start(t, o, nil)
	write(t, o.Config, strings.Replace(bare, "192.0.2.1\"", "192.0.2.9\"", 1))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if done, err := client.Apply(t.Context(), 10*time.Second, 0); err != nil || !done.Converged || done.Generation != 2 {
				t.Errorf("%+v, %v", done, err)
			}
		})
	}
	all.Wait()
}

// TestNoGuardNoTrial: without somebody to roll it back nothing is changed.
func TestNoGuardNoTrial(t *testing.T) {
	o := options(t, sound)
	o.Guard = func(context.Context) error { return errors.New("no more processes") }
	client, _ := start(t, o, nil)
	write(t, o.Config, sound+mail)
	_, err := client.Apply(t.Context(), 0, time.Minute)
	if err == nil || err.Error() != "nothing was changed: no more processes" {
		t.Errorf("%v", err)
	}
	if s := statusOf(t, client); s.Generation != 1 || !s.ConfirmBy.IsZero() {
		t.Errorf("%+v", s)
	}
	var e *control.Error
	if err := client.Confirm(t.Context()); !errors.As(err, &e) || e.Kind != control.KindRefused {
		t.Errorf("%v", err)
	}
}

func TestWithTrial(t *testing.T) {
	now := time.Now()
	s := &status.Status{Problems: []status.Problem{{Object: "bgp"}, {Object: "peer rs1"}}}
	if got := withTrial(s, nil); got != s {
		t.Error("no trial is none")
	}
	on := withTrial(s, &confirm.Trial{Deadline: confirm.Moment{Wall: now}})
	if !on.ConfirmBy.Equal(now) || len(on.Problems) != 2 {
		t.Errorf("%+v", on)
	}
	over := withTrial(s, &confirm.Trial{RolledBack: now})
	if !over.ConfirmBy.IsZero() || len(over.Problems) != 3 || over.Problems[1].Object != "config" || !over.Problems[1].Since.Equal(now) {
		t.Errorf("%+v", over)
	}
	if len(s.Problems) != 2 || !s.ConfirmBy.IsZero() {
		t.Errorf("the snapshot was changed: %+v", s)
	}
}

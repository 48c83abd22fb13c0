package confirm

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func onTrial(length time.Duration) *Trial {
	began := Moment{Boot: "a", Up: time.Hour, Wall: noon}
	return &Trial{Began: began, Deadline: began.Add(length), Network: "iproute",
		Tried:  []config.File{{Path: "/etc/stentor/stentor.toml", Text: "new"}},
		Before: []config.File{{Path: "/etc/stentor/stentor.toml", Text: "old"}},
		Held:   []Held{{VIP: "web", Address: netip.MustParseAddr("203.0.113.10"), Link: "lo"}},
	}
}

// TestLeft: the wall clock counts only after a reboot.
func TestLeft(t *testing.T) {
	trial := onTrial(time.Minute)
	tests := map[string]struct {
		now  Moment
		want time.Duration
	}{
		"at once":                   {trial.Began, time.Minute},
		"later":                     {trial.Began.Add(20 * time.Second), 40 * time.Second},
		"too late":                  {trial.Began.Add(70 * time.Second), -10 * time.Second},
		"the clock was set forward": {Moment{"a", time.Hour + time.Second, noon.Add(time.Hour)}, 59 * time.Second},
		"the clock was set back":    {Moment{"a", time.Hour + 2*time.Minute, noon.Add(-time.Hour)}, -time.Minute},
		"rebooted":                  {Moment{"b", time.Second, noon.Add(50 * time.Second)}, 10 * time.Second},
		"rebooted, too late":        {Moment{"b", 2 * time.Hour, noon.Add(time.Hour)}, -59 * time.Minute},
		"rebooted without a clock":  {Moment{"b", time.Second, time.Unix(0, 0)}, 0},
	}
	for name, tt := range tests {
		if got := trial.Left(tt.now); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		if trial.On(tt.now) != (tt.want > 0) || trial.Due(tt.now) != (tt.want <= 0) {
			t.Errorf("%s: on %v, due %v", name, trial.On(tt.now), trial.Due(tt.now))
		}
	}
}

// TestRefusals: what each state of a trial allows, and what is said.
func TestRefusals(t *testing.T) {
	trial := onTrial(time.Minute)
	late, over := trial.Deadline, *trial
	over.RolledBack = late.Wall.Add(time.Second)
	at := func(t time.Time) string { return t.Local().Format("15:04:05") }
	tests := map[string]struct {
		trial               *Trial
		now                 Moment
		confirm, inTheWay   string // why not; empty: it may
		on, due, rejectsNew bool
	}{
		"none": {nil, late, "nothing waits for a confirmation", "", false, false, false},
		"on":   {trial, trial.Began, "", "a config is on trial until " + at(late.Wall) + "; keep it first, with: stentor confirm", true, false, false},
		"due": {trial, late, "too late: the time was over at " + at(late.Wall) + ", and the config is being rolled back",
			"the config on trial was not confirmed, and is being rolled back; try again in a moment", false, true, false},
		"rolled back": {&over, late, "too late: it was rolled back at " + at(over.RolledBack) + "; to try the config on disk again: stentor apply --confirm DURATION",
			"", false, false, true},
	}
	for name, tt := range tests {
		for what, c := range map[string]struct {
			err  error
			want string
		}{
			"confirm":    {tt.trial.Confirmable(tt.now), tt.confirm},
			"in the way": {tt.trial.InTheWay(tt.now), tt.inTheWay},
		} {
			var refused *control.Error
			switch {
			case c.want == "" && c.err != nil:
				t.Errorf("%s: %s: %v", name, what, c.err)
			case c.want != "" && (!errors.As(c.err, &refused) || refused.Kind != control.KindRefused || refused.Message != c.want):
				t.Errorf("%s: %s: %v\nwant %s", name, what, c.err, c.want)
			}
		}
		if tt.trial.On(tt.now) != tt.on || tt.trial.Due(tt.now) != tt.due {
			t.Errorf("%s: on %v, due %v", name, tt.trial.On(tt.now), tt.trial.Due(tt.now))
		}
		same := []config.File{{Path: "stentor.toml", Text: "new"}} // another way to name the file
		if tt.trial.Rejects(same) != tt.rejectsNew || tt.trial.Rejects([]config.File{{Text: "newer"}}) || tt.trial.Rejects(append(same, config.File{})) {
			t.Errorf("%s: rejects the wrong config", name)
		}
	}
}

const sound = `
[bgp]
asn = 65001
[bgp.peer.rs1]
address = "192.0.2.1"
asn = 65000
[vip.mail]
address = "203.0.113.25/32"
role = "primary"
[vip.web]
address = "203.0.113.10/32"
role = "primary"
`

// TestOld: without a known config the one on trial loses what it brought.
func TestOld(t *testing.T) {
	trial := onTrial(time.Minute)
	trial.Tried[0].Text, trial.Before = sound, nil
	names := func() (names []string) {
		cfg, err := trial.Old(config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range cfg.VIPs {
			names = append(names, v.Name)
		}
		return names
	}
	if diff := cmp.Diff([]string{"web"}, names()); diff != "" {
		t.Errorf("none known: %s", diff)
	}
	trial.Before = trial.Tried
	if diff := cmp.Diff([]string{"mail", "web"}, names()); diff != "" {
		t.Errorf("known: %s", diff)
	}
	trial.Before = []config.File{{Path: "/etc/stentor/stentor.toml", Text: "[bgp"}}
	if _, err := trial.Old(config.Options{}); err == nil {
		t.Error("a config with mistakes was taken")
	}
}

func TestStore(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	if got, err := s.Trial(); got != nil || err != nil {
		t.Errorf("none: %+v, %v", got, err)
	}
	want := onTrial(time.Minute)
	if err := s.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Trial()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := s.Keep(got); err == nil {
		t.Error("a trial of another boot, long over, was confirmed")
	}
	now, err := Now()
	if err != nil {
		t.Fatal(err)
	}
	got.Deadline = now.Add(time.Hour)
	if err := s.Keep(got); err != nil {
		t.Error(err)
	}
	if left, err := s.Trial(); left != nil || err != nil {
		t.Errorf("after the end: %+v, %v", left, err)
	}
	if good, err := s.LastGood(); !Same(good, want.Tried) || err != nil {
		t.Errorf("last good: %v, %v", good, err)
	}
	if err := errors.Join(s.Save(nil), os.WriteFile(s.trial(), []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Trial(); err == nil {
		t.Error("a damaged trial was taken for none")
	}
}

// TestWatch: the way back begins at the deadline, not before, not after the
// trial has ended, and again until it is done.
func TestWatch(t *testing.T) {
	tests := map[string]struct {
		events map[time.Duration]func(*Trial) *Trial // what others do meanwhile
		fails  int                                   // how often the way back fails
		want   []time.Duration                       // when it is tried
		ends   time.Duration
	}{
		"nobody confirms": {nil, 0, []time.Duration{time.Minute}, time.Minute + lookEvery},
		"confirmed": {map[time.Duration]func(*Trial) *Trial{
			30*time.Second - 1: func(*Trial) *Trial { return nil },
		}, 0, nil, 30 * time.Second},
		"extended": {map[time.Duration]func(*Trial) *Trial{
			30 * time.Second: func(t *Trial) *Trial { later := *t; later.Deadline = t.Deadline.Add(time.Minute); return &later },
		}, 0, []time.Duration{2 * time.Minute}, 2*time.Minute + lookEvery},
		"shortened": {map[time.Duration]func(*Trial) *Trial{
			10*time.Second - 1: func(t *Trial) *Trial {
				sooner := *t
				sooner.Deadline = t.Deadline.Add(-45 * time.Second)
				return &sooner
			},
		}, 0, []time.Duration{15 * time.Second}, 15*time.Second + lookEvery},
		"the network is not ready": {nil, 3, []time.Duration{60 * time.Second, 61 * time.Second, 63 * time.Second, 67 * time.Second}, 68 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				trial := onTrial(time.Minute)
				start := trial.Began
				now := func() (Moment, error) { return start.Add(time.Since(began)), nil }
				for at, change := range tt.events {
					time.AfterFunc(at, func() { trial = change(trial) })
				}
				var tries []time.Duration
				watch(t.Context(), slog.New(slog.DiscardHandler), func() (*Trial, error) { return trial, nil }, now, func(context.Context) error {
					tries = append(tries, time.Since(began))
					if len(tries) <= tt.fails {
						return errors.New("not now")
					}
					over := *trial
					over.RolledBack = time.Now()
					trial = &over
					return nil
				})
				if diff := cmp.Diff(tt.want, tries); diff != "" {
					t.Errorf("tried (-want +got):\n%s", diff)
				}
				if ended := time.Since(began); ended != tt.ends {
					t.Errorf("ended after %s, want %s", ended, tt.ends)
				}
			})
		})
	}
}

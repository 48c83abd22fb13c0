package bird

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// TestTimes logs how long a peer waits for what Apply changes, and beside it
// how long the same BIRD takes when an operator has configured it by hand. What
// it asserts is the order of events: no withdrawal on a change of role, and
// none missing before a Cease.
func TestTimes(t *testing.T) {
	const rounds = 5
	r := newRig(t, lab.Embedded, 1)
	scripted, peer := r.scripted(nil)
	var up, role, withdraw, leave []time.Duration
	ctx, cancel := context.WithCancel(r.Context())
	watched := make(chan error, 1)
	go func() { watched <- r.b.Watch(ctx, func(plugins.Change) {}) }()
	seen := 0
	next := func(what string, match func(bgppeer.Event) bool) time.Time {
		t.Helper()
		n := seen
		r.event(scripted, what, func(e bgppeer.Event) bool {
			if n--; n >= 0 {
				return false // of before
			}
			seen++
			return match(e)
		})
		return scripted.Events()[seen-1].Time
	}
	announced := func(e bgppeer.Event) bool { return e.Update != nil && len(e.Update.Announced) > 0 }
	withdrawn := func(e bgppeer.Event) bool {
		if e.Kind == bgppeer.Closed || e.Notification != nil {
			t.Error("the session ended without a withdrawal")
			return true
		}
		return e.Update != nil && len(e.Update.Withdrawn) > 0
	}
	for range rounds {
		began := time.Now()
		r.apply(speakerOf([]plugins.Peer{peer}, announcement("198.18.0.1/32", 1), announcement("198.18.0.2/32", 3)))
		up = append(up, next("the first route", announced).Sub(began))
		next("the second route", announced)
		began = time.Now()
		r.apply(speakerOf([]plugins.Peer{peer}, announcement("198.18.0.1/32", 2), announcement("198.18.0.2/32", 3)))
		at := next("the other role", func(e bgppeer.Event) bool {
			if e.Update != nil && len(e.Update.Withdrawn) > 0 {
				t.Error("a change of role withdrew the route")
			}
			return announced(e)
		})
		role = append(role, at.Sub(began))
		began = time.Now()
		r.apply(speakerOf([]plugins.Peer{peer}, announcement("198.18.0.2/32", 3)))
		withdraw = append(withdraw, next("the withdrawal", withdrawn).Sub(began))
		began = time.Now()
		r.apply(plugins.Speaker{})
		leave = append(leave, next("the last withdrawal", withdrawn).Sub(began))
		next("the Cease", func(e bgppeer.Event) bool { return e.Notification != nil && e.Notification.Code == 6 })
		next("the end", func(e bgppeer.Event) bool { return e.Kind == bgppeer.Closed })
	}

	cancel()
	<-watched

	var byHand []time.Duration
	s, _, err := newSpeaker(speakerOf([]plugins.Peer{peer}, announcement("198.18.0.1/32", 1)))
	if err != nil {
		t.Fatal(err)
	}
	conf := r.read(r.dir + "/bird.conf")
	for range rounds {
		text, _ := render(s, names{"hand_"}, surroundings{})
		r.write("bird.conf", conf+string(text))
		began := time.Now()
		if code := r.ask("configure").code(); code >= 8000 {
			t.Fatalf("configure: %d", code)
		}
		byHand = append(byHand, next("the route by hand", announced).Sub(began))
		r.write("bird.conf", conf)
		r.ask("configure")
		next("the end", func(e bgppeer.Event) bool { return e.Kind == bgppeer.Closed })
	}
	for name, l := range map[string][]time.Duration{
		"Apply to announced": up, "the same by hand": byHand, "change of role": role, "withdrawal": withdraw, "withdrawal before the end": leave,
	} {
		slices.Sort(l)
		t.Log(strings.TrimSpace(fmt.Sprintf("%-26s median %7.1f ms, %7.1f to %7.1f", name, ms(l[len(l)/2]), ms(l[0]), ms(l[len(l)-1]))))
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

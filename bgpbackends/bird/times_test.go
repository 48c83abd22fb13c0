package bird

import (
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

func TestParseTime(t *testing.T) {
	zone := time.FixedZone("", 3600)
	now := time.Date(2026, 11, 22, 9, 30, 0, 0, zone)
	for _, c := range []struct {
		word string
		want time.Time
	}{
		{"2026-11-20 11:05:39", time.Date(2026, 11, 20, 11, 5, 39, 0, zone)},
		{"2026-11-20 11:05:39.312", time.Date(2026, 11, 20, 11, 5, 39, 312e6, zone)},
		{"2026-11-20 11:05:39.312456", time.Date(2026, 11, 20, 11, 5, 39, 312456e3, zone)},
		{"09:29:59", time.Date(2026, 11, 22, 9, 29, 59, 0, zone)},
		{"09:29:59.250", time.Date(2026, 11, 22, 9, 29, 59, 250e6, zone)},
		{"11:00:00.000", time.Date(2026, 11, 21, 11, 0, 0, 0, zone)}, // of yesterday
		{"2026-11-20", time.Time{}},
		{"Fri", time.Time{}},
		{"", time.Time{}},
	} {
		got, ok := parseTime(c.word, now)
		if !got.Equal(c.want) || ok == c.want.IsZero() {
			t.Errorf("parseTime(%q) = %s, %v; want %s", c.word, got, ok, c.want)
		}
	}
}

func TestNotes(t *testing.T) {
	start := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	now := start
	n := newNotes(func() time.Time { return now })
	type seen struct {
		since   time.Time
		err     string
		errorAt time.Time
	}
	take := func(after time.Duration, state plugins.SessionState, word, err string) seen {
		now = start.Add(after)
		since, text, at := n.take("rs1", state, word, err)
		return seen{since, text, at}
	}
	for i, c := range []struct {
		got, want seen
	}{
		{take(0, plugins.StateConnect, "09:30:00", ""), seen{since: start}},
		{take(5*time.Second, plugins.StateActive, "09:30:00", ""), seen{since: start.Add(5 * time.Second)}},
		{take(11*time.Second, plugins.StateActive, "09:30:00", ""), seen{start.Add(5 * time.Second), noAnswer, start.Add(11 * time.Second)}},
		{take(20*time.Second, plugins.StateEstablished, "09:30:15", ""), seen{start.Add(15 * time.Second), noAnswer, start.Add(11 * time.Second)}},
		{take(30*time.Second, plugins.StateIdle, "09:30:30", "Received: Cease"), seen{start.Add(30 * time.Second), "Received: Cease", start.Add(30 * time.Second)}},
		// Up again before the next look: the error is the last session's.
		{take(31*time.Second, plugins.StateEstablished, "odd", ""), seen{start.Add(31 * time.Second), "Received: Cease", start.Add(30 * time.Second)}},
		// The same again is news of its own.
		{take(40*time.Second, plugins.StateIdle, "odd", "Received: Cease"), seen{start.Add(40 * time.Second), "Received: Cease", start.Add(40 * time.Second)}},
	} {
		if c.got != c.want {
			t.Errorf("look %d: %+v, want %+v", i, c.got, c.want)
		}
	}
}

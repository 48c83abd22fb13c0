package probe

import (
	"fmt"
	"time"
)

// Event is something that a person wants to know at once.
type Event struct {
	Kind EventKind
	At   time.Time // when the request was sent that showed it
	By   string    // who answers from now on
	From string    // of a Switch: who did before
	Gap  Gap       // of a Gap
	Err  error     // of a Silence: why there is no answer
}

// EventKind is the sort of an Event.
type EventKind string

// The kinds of events.
const (
	First    EventKind = "answer"  // the first answer of all
	Switched EventKind = "switch"  // somebody else answers
	Silence  EventKind = "silence" // a gap begins
	GapEnds  EventKind = "gap"     // somebody answers again
)

// Gap is a time without service.
type Gap struct {
	Start  time.Time     // when the last answered request before it was sent; the first lost one, if there is none
	Length time.Duration // until the first answered request after it was sent; the last lost one, if there is none
	Lost   int
}

// Stretch is a run of requests that one host answered, or nobody.
type Stretch struct {
	Start, End time.Time // when its first and its last request were sent
	By         string
	Lost       bool
}

// Tally counts samples, which it takes in the order in which they were sent.
type Tally struct {
	Sent, Lost    int
	Gaps          int
	Switches      int
	Longest       time.Duration // of the gaps
	Min, Max, sum time.Duration // of the answers' round trips
	// By counts the answers of each, in the order in which they first answered.
	By []Count
	// Stretches are kept if KeepStretches is set: they have no bound.
	Stretches     []Stretch
	KeepStretches bool

	last Sample // the last answered one
	gap  Gap    // the one that lasts; Lost is 0 if none does
}

// Count is how many requests somebody answered.
type Count struct {
	Name string
	N    int
}

// Add takes the next sample, and gives what is worth telling of it.
func (t *Tally) Add(s Sample) []Event {
	t.Sent++
	if t.KeepStretches {
		t.stretch(s)
	}
	if s.Err != nil {
		return t.lost(s)
	}
	var events []Event
	switch {
	case t.last.Sent.IsZero():
		events = append(events, Event{Kind: First, At: s.Sent, By: s.By})
	case t.last.By != s.By:
		t.Switches++
		events = append(events, Event{Kind: Switched, At: s.Sent, By: s.By, From: t.last.By})
	}
	if t.gap.Lost > 0 {
		t.gap.Length = s.Sent.Sub(t.gap.Start)
		t.Longest = max(t.Longest, t.gap.Length)
		events = append([]Event{{Kind: GapEnds, At: s.Sent, By: s.By, Gap: t.gap}}, events...)
		t.gap = Gap{}
	}
	t.count(s)
	t.last = s
	return events
}

func (t *Tally) lost(s Sample) []Event {
	t.Lost++
	t.gap.Lost++
	if t.gap.Lost > 1 {
		t.gap.Length = s.Sent.Sub(t.gap.Start)
		t.Longest = max(t.Longest, t.gap.Length)
		return nil
	}
	t.Gaps++
	t.gap.Start = t.last.Sent
	if t.last.Sent.IsZero() {
		t.gap.Start = s.Sent
	}
	t.gap.Length = s.Sent.Sub(t.gap.Start)
	t.Longest = max(t.Longest, t.gap.Length)
	return []Event{{Kind: Silence, At: s.Sent, Err: s.Err}}
}

func (t *Tally) count(s Sample) {
	if n := t.Sent - t.Lost; n == 1 || s.RTT < t.Min {
		t.Min = s.RTT
	}
	t.Max, t.sum = max(t.Max, s.RTT), t.sum+s.RTT
	for i := range t.By {
		if t.By[i].Name == s.By {
			t.By[i].N++
			return
		}
	}
	if len(t.By) < maxNames {
		t.By = append(t.By, Count{s.By, 1})
	}
}

// maxNames bounds what an answerer that always calls itself something else,
// like a clock, makes us keep.
const maxNames = 1000

func (t *Tally) stretch(s Sample) {
	if n := len(t.Stretches); n > 0 {
		if last := &t.Stretches[n-1]; last.Lost == (s.Err != nil) && last.By == s.By {
			last.End = s.Sent
			return
		}
	}
	t.Stretches = append(t.Stretches, Stretch{Start: s.Sent, End: s.Sent, By: s.By, Lost: s.Err != nil})
}

// Open is the gap that lasted at the end; its Lost is 0 if there is none.
func (t *Tally) Open() Gap { return t.gap }

// Mean is the mean round trip of the answers.
func (t *Tally) Mean() time.Duration {
	if t.Sent == t.Lost {
		return 0
	}
	return t.sum / time.Duration(t.Sent-t.Lost)
}

// String is the tally in one line.
func (t *Tally) String() string {
	s := fmt.Sprintf("%d sent, %d lost", t.Sent, t.Lost)
	if t.Gaps > 0 {
		s += fmt.Sprintf(", longest gap %s", millis(t.Longest))
	}
	switch {
	case t.Switches == 1:
		s += ", 1 change of who answers"
	case t.Switches > 1:
		s += fmt.Sprintf(", %d changes of who answers", t.Switches)
	}
	return s
}

package probe

import (
	"fmt"
	"time"
)

// patience is how long a request may wait for its answer before it counts as
// lost; a namespace away, an answer takes less than a millisecond.
const patience = 500 * time.Millisecond

// Report is what happened to a run of requests.
type Report struct {
	Sent int // answered or lost
	Lost int
	// Gaps are the runs of lost requests, in order.
	Gaps []Gap
	// Switches are the changes of the answering host, in order.
	Switches []Switch
}

// Gap is a time without service.
type Gap struct {
	Start time.Time // when the last answered request before it was sent
	Lost  int
	// Length is from Start until the next answered request was sent; until the
	// last lost one, when nobody has answered since.
	Length time.Duration
}

// Switch is the moment from which on another host answered.
type Switch struct {
	At       time.Time // when the first request that To answered was sent
	From, To string
}

// Longest is the length of the longest gap.
func (r Report) Longest() time.Duration {
	var longest time.Duration
	for _, g := range r.Gaps {
		longest = max(longest, g.Length)
	}
	return longest
}

// String is one line for people.
func (r Report) String() string {
	return fmt.Sprintf("%d pings, %d lost, longest gap %d ms", r.Sent, r.Lost, r.Longest().Milliseconds())
}

// report looks at the samples sent from since on, as things stand at now.
// A request that nobody answered is lost when a later one was answered, or when
// it has waited for longer than patience.
func report(samples []sample, since, now time.Time) Report {
	last := -1
	for i, s := range samples {
		if !s.answered.IsZero() {
			last = i
		}
	}
	var r Report
	var gap *Gap
	var before sample // the last answered one
	for i, s := range samples {
		answered := !s.answered.IsZero()
		switch {
		case s.sent.Before(since):
			if answered {
				before = s
			}
			continue
		case !answered && i > last && now.Sub(s.sent) < patience:
			continue
		}
		r.Sent++
		if !answered {
			r.Lost++
			if gap == nil {
				gap = &Gap{Start: before.sent}
				if before.sent.IsZero() {
					gap.Start = s.sent
				}
			}
			gap.Lost++
			gap.Length = s.sent.Sub(gap.Start)
			continue
		}
		if gap != nil {
			gap.Length = s.sent.Sub(gap.Start)
			r.Gaps = append(r.Gaps, *gap)
			gap = nil
		}
		if before.host != "" && before.host != s.host {
			r.Switches = append(r.Switches, Switch{At: s.sent, From: before.host, To: s.host})
		}
		before = s
	}
	if gap != nil {
		r.Gaps = append(r.Gaps, *gap)
	}
	return r
}

package health

import "time"

// tally is what the results so far have come to.
type tally struct {
	state State
	// row counts the last results of one kind: good ones up from 0, others down.
	row int
}

// add counts one result. To be not up needs fall results in a row that are not
// good; the last of them tells whether that is Down or Broken.
func (t tally) add(o Outcome, rise, fall int) tally {
	if o == Good {
		t.row = max(t.row, 0) + 1
		if t.row >= rise {
			t.state = Up
		}
		return t
	}
	t.row = min(t.row, 0) - 1
	if -t.row < fall {
		return t
	}
	t.state = Down
	if o == NotRun {
		t.state = Broken
	}
	return t
}

// undecided: there is no decision yet, or the last results contradict it.
func (t tally) undecided() bool {
	switch t.state {
	case Unknown:
		return true
	case Up:
		return t.row <= 0
	}
	return t.row >= 0
}

// pace says when a check runs: in slots that lie a period apart, so that what a
// run takes does not add up, and two checks of one period never drift together.
type pace struct {
	slot  time.Time // any of the slots
	every time.Duration
	fast  time.Duration
}

// firstWithin bounds the wait for the first result of a check that runs seldom.
const firstWithin = time.Second

// together is how close the runs of two checks are that begin as one: with
// thousands of checks, to wake for each costs more than some of them do.
const together = 5 * time.Millisecond

// newPace spreads checks over their period: share, from 0 to below 1, says where
// in it this one is. first is when it runs first.
func newPace(now time.Time, every, fast time.Duration, share float64) (p pace, first time.Time) {
	part := func(d time.Duration) time.Time { return now.Add(time.Duration(share * float64(d)).Truncate(together)) }
	return pace{slot: part(every), every: every, fast: fast}, part(min(every, firstWithin))
}

// next is the time of the run that follows one that was due, and over by now.
func (p pace) next(due, now time.Time, undecided bool) time.Time {
	if undecided && p.fast < p.every {
		return later(due.Add(p.fast), now)
	}
	last := later(due, now)
	if last.Before(p.slot) {
		return p.slot
	}
	return p.slot.Add((last.Sub(p.slot)/p.every + 1) * p.every)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

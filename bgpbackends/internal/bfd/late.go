package bfd

import "time"

// lateWindow is how long a delay of this host's own is remembered, and up to
// twice that.
const lateWindow = time.Minute

// lateness is how late this host let timers run, lately.
type lateness struct {
	began       time.Time
	now, before time.Duration
}

func (l *lateness) note(at time.Time, late time.Duration) {
	if l.turn(at); late > l.now {
		l.now = late
	}
}

// worst is the longest delay.
func (l *lateness) worst(at time.Time) time.Duration {
	l.turn(at)
	return max(l.now, l.before)
}

func (l *lateness) turn(at time.Time) {
	switch past := at.Sub(l.began); {
	case past >= 2*lateWindow:
		*l = lateness{began: at}
	case past >= lateWindow:
		*l = lateness{began: at, before: l.now}
	}
}

// widen is for how much longer to wait for a peer, when the Detection Time is
// over and was noticed late: while this host stood still the peer could not be
// heard. What was granted since the last packet counts, up to once the
// Detection Time.
func widen(late, detect, granted time.Duration) time.Duration {
	if late < detect/10 {
		return 0
	}
	return min(late, detect-granted)
}

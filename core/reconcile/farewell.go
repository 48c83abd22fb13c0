package reconcile

import (
	"slices"
	"time"

	"github.com/stentor-net/stentor/core/status"
)

// farewell publishes the last snapshot, so that whoever follows sees how it
// ended.
func (l *Loop) farewell(withdrew bool) {
	last := l.board.now()
	if last == nil { // there was no first one
		return
	}
	s := *last
	s.Stopped = true
	s.VIPs, s.Problems = slices.Clone(s.VIPs), slices.Clone(s.Problems) // readers have the old ones
	for i := range s.VIPs {
		if v := &s.VIPs[i]; withdrew {
			v.AnnouncedTo, v.Demoted, v.Next, v.Why = []string{}, false, time.Time{}, "the daemon stopped"
			if v.State != status.Drained {
				v.State = status.Withdrawn
			}
		}
	}
	l.board.publish(&s, time.Now())
}

package session

import (
	"time"

	"github.com/stentor-net/stentor/bgpbackends/native/fsm"
)

// set starts a timer as the machine wants it.
func (s *Session) set(t fsm.Timer, after time.Duration) {
	switch t {
	case fsm.Keepalive:
		after = s.Pace.next(after)
	case fsm.Hold:
		s.hold = after
		s.heard.end(0)
		s.looked = time.Now()
	}
	s.arm(t, after)
}

// heardSince takes in what the peer has said while nobody listened, and lets the
// HoldTimer run on if there was anything since it was set. That counts as said
// right after the last look, unless the kernel is to be asked when exactly it was.
func (s *Session) heardSince(exactly bool) bool {
	if s.from != nil {
		if s.from.take() {
			s.heard.end(time.Since(s.looked))
		}
		if exactly {
			s.heard.end(s.from.lastHeard())
		}
	}
	s.looked = time.Now()
	left := s.hold - s.heard.length()
	if left > 0 {
		s.arm(fsm.Hold, left)
	}
	return left > 0
}

// arm has a timer's event come after a while, and no earlier one of it.
func (s *Session) arm(t fsm.Timer, after time.Duration) {
	s.clear(t)
	gen := s.timerGen[t]
	kinds := [fsm.Timers]fsm.Kind{fsm.ConnectRetry: fsm.RetryExpired, fsm.Hold: fsm.HoldExpired, fsm.Keepalive: fsm.KeepaliveExpired,
		fsm.IdleHold: fsm.IdleHoldExpired, fsm.Lasting: fsm.Stable}
	s.timers[t] = time.AfterFunc(after, func() {
		s.post(s.life, tagged{Event: fsm.Event{Kind: kinds[t]}, timer: t, gen: gen})
	})
}

func (s *Session) clear(t fsm.Timer) {
	if s.timers[t] != nil {
		s.timers[t].Stop()
	}
	s.timerGen[t]++
}

package session

import (
	"time"

	"github.com/stentor-net/stentor/bgpbackends/internal/bfd"
	"github.com/stentor-net/stentor/bgpbackends/native/fsm"
	"github.com/stentor-net/stentor/bgpbackends/native/wire"
	"github.com/stentor-net/stentor/plugins"
)

// pathEvents are what BFD calls.
func (s *Session) pathEvents() bfd.Events {
	return bfd.Events{
		Up: func(v bfd.View) {
			s.Log.Info("BFD is up", "peer", s.Peer.Name, "detect_time", v.DetectTime)
			s.Changed("BFD with " + s.Peer.Name + " is up")
			signal(s.healed, struct{}{})
		},
		Broken: func(why string) {
			s.hurry()
			signal(s.cut, why)
		},
		PeerOff: func() {
			s.Log.Info("the peer has switched BFD off", "peer", s.Peer.Name)
			s.Changed(s.Peer.Name + " has switched BFD off")
		},
	}
}

// signal leaves a word for run, which looks at one as at many.
func signal[T any](to chan T, word T) {
	select {
	case to <- word:
	default:
	}
}

// hurry has a write end that waits for a peer who can't be reached.
func (s *Session) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.SetWriteDeadline(time.Now()) // fails on a closed connection, where nothing waits
	}
}

// pathDown ends the session at once (RFC 5882 §4.2). An attempt goes on: it is
// made on the path as it will be.
func (s *Session) pathDown(why string) {
	switch s.machine.State() {
	case plugins.StateOpenSent, plugins.StateOpenConfirm, plugins.StateEstablished:
		s.handle(fsm.Event{Kind: fsm.BFDDown, Notification: wire.Fault(wire.Cease, wire.BFDDown, "%s", why)})
	}
}

// pathUp begins an attempt anew whose SYN was lost: the kernel sends it again
// after ever longer times.
func (s *Session) pathUp() {
	switch s.machine.State() {
	case plugins.StateConnect, plugins.StateActive:
		s.handle(fsm.Event{Kind: fsm.RetryExpired, Why: s.View().LastError})
	}
}

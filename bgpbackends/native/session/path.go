package session

import (
	"fmt"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/internal/bfd"
	"github.com/stentor-net/stentor/bgpbackends/native/fsm"
	"github.com/stentor-net/stentor/bgpbackends/native/wire"
	"github.com/stentor-net/stentor/plugins"
)

// WatchPath has BFD watch the path to the peer from now on; nil: not any more.
// Other timers need no new BFD session, another key does, and neither a new BGP
// session.
func (s *Session) WatchPath(want *plugins.BFD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path != nil && (want == nil || !bfd.SameKey(*want, s.watch)) {
		s.path.Stop()
		s.path = nil
	}
	switch {
	case want == nil:
		return
	case s.path == nil:
		s.path = s.BFD.Start(bfd.ConfigFor(s.Peer, *want, s.external(), s.follow()))
	default:
		s.path.Retime(bfd.TimersOf(*want))
	}
	s.watch = *want
}

// follow gives what a BFD session calls. A session that never came up does not
// keep BGP from it, and a peer that switches BFD off says nothing of the path
// (RFC 5882 §3.2, §4.2).
func (s *Session) follow() func(bfd.View) {
	up := false
	return func(v bfd.View) {
		was := up
		up = v.State == bfd.Up
		switch {
		case up:
			s.Log.Info("BFD is up", "peer", s.Peer.Name, "detect_time", v.DetectTime)
			s.Changed("BFD with " + s.Peer.Name + " is up")
			signal(s.healed, struct{}{})
		case was && v.State == bfd.Down && v.PeerDisabled:
			s.Log.Info("the peer has switched BFD off", "peer", s.Peer.Name)
			s.Changed(s.Peer.Name + " has switched BFD off")
		case was && v.State == bfd.Down: // and not switched off here
			s.hurry()
			signal(s.cut, pathWords(v))
		}
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

// pathWords says why BFD went down.
func pathWords(v bfd.View) string {
	if v.Diag != bfd.DetectExpired {
		return fmt.Sprintf("BFD went down: %s", v.Diag)
	}
	return fmt.Sprintf("BFD heard nothing for %s", v.DetectTime)
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

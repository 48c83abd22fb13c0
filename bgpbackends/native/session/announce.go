package session

import (
	"net"
	"net/netip"

	"github.com/stentor-net/stentor/bgpbackends/native/fsm"
	"github.com/stentor-net/stentor/bgpbackends/native/wire"
)

// up tells a peer whose session has just been established all there is to tell.
func (s *Session) up() error {
	s.mu.Lock()
	local := netip.Addr{}
	if tcp, ok := s.conn.LocalAddr().(*net.TCPAddr); ok {
		local = tcp.AddrPort().Addr().Unmap()
	}
	s.mu.Unlock()
	s.terms = &terms{localASN: s.LocalASN, external: s.external(), peer: s.machine.Peer(), local: local}
	s.terms.own = s.ownFrom(local)
	messages := s.tell()
	if s.Peer.GracefulRestart > 0 && s.terms.peer.Restart != nil {
		s.mu.Lock()
		s.view.GracefulRestart = true
		s.mu.Unlock()
		for _, f := range []wire.Family{wire.IPv4, wire.IPv6} {
			if s.terms.peer.Has(f) {
				messages = wire.AppendEndOfRIB(messages, f)
			}
		}
	}
	return s.write(messages)
}

// ownFrom looks for a next hop only when a route needs one, and once for all of them.
func (s *Session) ownFrom(local netip.Addr) func(wire.Family) netip.Addr {
	found := map[wire.Family]netip.Addr{}
	return func(f wire.Family) netip.Addr {
		if _, known := found[f]; !known {
			found[f] = s.Own(local, f)
		}
		return found[f]
	}
}

// tell gives the messages that bring the peer up to date, and notes them as
// sent; they count when written, or the session ends.
func (s *Session) tell() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	messages, unsent := s.sent.update(s.terms, s.want)
	s.view.Unsent = unsent
	return messages
}

// sync brings an established peer up to date. Addresses of this host come and
// go, so next hops are looked for again.
func (s *Session) sync() {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	if s.terms != nil {
		s.terms.own = s.ownFrom(s.terms.local)
		s.send(s.tell())
	}
	for _, done := range waiting {
		close(done)
	}
}

// repeat answers a ROUTE-REFRESH: everything of a family, between marks if the
// peer knows them (RFC 2918 §4, RFC 7313 §4).
func (s *Session) repeat(r wire.Refresh) {
	if s.terms == nil || !r.Asks() || !s.terms.peer.Has(r.Family) {
		return
	}
	marks := s.terms.peer.EnhancedRefresh
	var messages []byte
	if marks {
		messages = wire.AppendRefresh(messages, r.Family, wire.RefreshBegin)
	}
	s.mu.Lock()
	all := ribOut{}
	for p, to := range s.sent {
		if family(p) == r.Family {
			all[p] = to
		}
	}
	s.mu.Unlock()
	messages = ribOut{}.announce(messages, s.terms, all)
	if marks {
		messages = wire.AppendRefresh(messages, r.Family, wire.RefreshEnd)
	}
	s.send(messages)
}

// send writes to an established session, which ends if that fails.
func (s *Session) send(messages []byte) {
	if err := s.write(messages); err != nil {
		s.handle(fsm.Event{Kind: fsm.Disconnected, Why: connectionWords(err)})
	}
}

package gobgp

import (
	"net/netip"
	"time"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/stentor-net/stentor/bgpbackends/internal/bfd"
	"github.com/stentor-net/stentor/bgpbackends/internal/ownaddr"
	"github.com/stentor-net/stentor/plugins"
)

// session is what this backend keeps of one configured peer.
type session struct {
	peer  plugins.Peer
	tag   uint32
	tries backoff
	out   bool // taken out of GoBGP until the backoff is over
	path  *bfd.Path

	// Of the connection that is up or coming up; caps is nil while there is
	// none or its OPEN was not seen yet.
	caps       *capabilities
	own4, own6 netip.Addr // next hops to give where the session's own address does not fit
}

// follow works off the state changes of all sessions until life ends.
func (b *Backend) follow() {
	for {
		t, err := b.events.take(b.life)
		if err != nil {
			return
		}
		switch t.to {
		case plugins.StateOpenConfirm:
			b.admit(t.addr)
		case plugins.StateEstablished:
			b.admit(t.addr)
			b.up(t.addr)
		case plugins.StateIdle:
			b.down(t)
		}
	}
}

// admit lets the routes out that the policy withholds until the peer's OPEN
// has told its capabilities. GoBGP sends its table when the session gets
// established, which is at about the same time.
func (b *Backend) admit(addr netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[addr]
	if s == nil || s.out || s.caps != nil {
		return
	}
	info, err := b.peerInfo(b.life, addr)
	if err != nil {
		return // life is over
	}
	now := info[addr]
	if now.state != plugins.StateOpenConfirm && now.state != plugins.StateEstablished {
		return // lost again, which will be told too
	}
	s.caps = &now.caps
	b.findNextHops(s)
	b.release(s)
}

// release puts a changed policy into force. If GoBGP had put the peer's table
// together by then, without what was withheld, it is made to send it again.
func (b *Backend) release(s *session) {
	changed, err := b.setPolicy(b.life)
	if err != nil {
		b.log.Error("routes stay withheld", "peer", s.peer.Name, "error", err)
		return
	}
	if !changed || !s.crossFamily(b.shared) || b.ledger.policyWhile(s.peer.Addr) != plugins.StateEstablished {
		return
	}
	info, err := b.peerInfo(b.life, s.peer.Addr)
	if err != nil || info[s.peer.Addr].deferring {
		// The table is still to come, under this policy. Sent now as well, a
		// route that goes before then would never be withdrawn.
		return
	}
	err = b.bgp.ResetPeer(b.life, &api.ResetPeerRequest{Address: s.peer.Addr.String(), Soft: true, Direction: api.ResetPeerRequest_OUT})
	if err != nil {
		b.log.Error("send the routes again", "peer", s.peer.Name, "error", err)
	}
}

// findNextHops looks up the addresses to give as next hop where the session's
// own address does not fit. Most sessions need none, and it takes a look at
// every address of the host.
func (b *Backend) findNextHops(s *session) {
	if s.peer.Addr.Is6() && s.caps.extendedNextHop || !s.crossFamily(b.shared) {
		s.own4, s.own6 = netip.Addr{}, netip.Addr{}
		return
	}
	local := s.peer.LocalAddr
	if !local.IsValid() {
		local = ownaddr.Toward(s.peer.Addr)
	}
	s.own4, s.own6 = netip.Addr{}, netip.Addr{}
	shared := func(a netip.Addr) bool { return ownaddr.Within(b.shared, a) }
	if s.peer.Addr.Is6() {
		s.own4 = ownaddr.Find(local, 4, shared)
	} else {
		s.own6 = ownaddr.Find(local, 6, shared)
	}
}

// up notes the start of a session.
func (b *Backend) up(addr netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[addr]
	if s == nil || s.out {
		return
	}
	s.tries.up(time.Now())
	b.log.Info("session established", "peer", s.peer.Name, "address", addr)
	b.hints.put(plugins.Change{Object: s.peer.Name, Why: "session established"})
}

// down withholds what the next OPEN must allow anew, and sees to it that the
// session comes back soon. GoBGP by itself waits 5 s in Idle, and has no option
// for that; a peer that is deleted and added again is dialled after 1 to 2 s.
// It is the sessions' own state changes that lead here: adding a peer is none.
func (b *Backend) down(t transition) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[t.addr]
	if s == nil || s.out {
		return
	}
	s.caps = nil
	if _, err := b.setPolicy(b.life); err != nil {
		b.log.Error("withhold routes until the next session", "peer", s.peer.Name, "error", err)
	}
	switch {
	case t.from == plugins.StateEstablished:
		b.log.Warn("session lost", "peer", s.peer.Name, "address", t.addr, "why", t.why)
		b.hints.put(plugins.Change{Object: s.peer.Name, Why: "session lost: " + t.why})
		b.again(s, s.tries.next(time.Now()))
	default:
		b.log.Info("session not established", "peer", s.peer.Name, "address", t.addr, "why", t.why)
		b.hints.put(plugins.Change{Object: s.peer.Name, Why: "session not established: " + t.why})
		if !s.tries.failed { // GoBGP's pace does from the second time on
			s.tries.failed = true
			b.again(s, 0)
		}
	}
}

// again takes a peer out of GoBGP and hands it back after a delay.
func (b *Backend) again(s *session, delay time.Duration) {
	if err := b.deletePeer(b.life, s.peer.Addr); err != nil {
		b.log.Error("restart the session", "peer", s.peer.Name, "error", err)
		return // GoBGP goes on by itself
	}
	s.out = true
	if delay == 0 {
		b.back(s)
		return
	}
	b.log.Info("waiting before the next attempt", "peer", s.peer.Name, "delay", delay)
	b.done.Go(func() {
		select {
		case <-time.After(delay):
		case <-b.life.Done():
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.back(s)
	})
}

// back hands a peer to GoBGP again, if it is still the one that is wanted.
func (b *Backend) back(s *session) {
	if b.sessions[s.peer.Addr] != s || !s.out {
		return
	}
	if err := b.addPeer(b.life, s.peer); err != nil {
		b.log.Error("restart the session", "peer", s.peer.Name, "error", err)
		delete(b.have.Peers, s.peer.Addr) // the next Apply adds it
		b.hints.put(plugins.Change{Object: s.peer.Name, Why: err.Error(), Lost: true})
		return
	}
	s.out = false
}

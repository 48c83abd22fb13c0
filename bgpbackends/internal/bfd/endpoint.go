package bfd

import (
	"net/netip"
	"sync"
)

// The ports of control packets (RFC 5881 §4, RFC 5883 §5).
const (
	portSingleHop = 3784
	portMultihop  = 4784
)

// Endpoint is this host's side of its BFD sessions. It listens on a port only
// while it has a session that needs it.
type Endpoint struct {
	mu        sync.Mutex
	sessions  map[route]*Session
	listeners map[door]*listener
}

// door is what is listened on.
type door struct {
	v6       bool
	multihop bool
}

// route is what tells sessions apart: there is one with a peer over one hop,
// and one over several.
type route struct {
	peer     netip.Addr
	multihop bool
}

func (r route) door() door { return door{v6: r.peer.Is6(), multihop: r.multihop} }

func (d door) port() uint16 {
	if d.multihop {
		return portMultihop
	}
	return portSingleHop
}

// NewEndpoint makes one without a session. It does no I/O.
func NewEndpoint() *Endpoint {
	return &Endpoint{sessions: map[route]*Session{}, listeners: map[door]*listener{}}
}

// Start begins a session. What keeps it from the network is told by its View,
// and tried again with each packet.
func (e *Endpoint) Start(c Config) *Session {
	r := route{c.Peer, c.Multihop}
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := e.sessions[r]; old != nil {
		old.Quit() // it only lingered
	}
	w := &wire{endpoint: e, route: r, local: c.Local}
	s := newSession(c, w)
	w.session = s
	e.sessions[r] = s
	return s
}

// Close tells each peer that this side is switched off, and ends.
func (e *Endpoint) Close() {
	e.mu.Lock()
	all := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		all = append(all, s)
	}
	e.mu.Unlock()
	for _, s := range all {
		s.Quit()
	}
	for _, s := range all {
		<-s.ended
	}
}

// take gives a packet to the session that it belongs to. What comes from
// elsewhere is not even looked at.
func (e *Endpoint) take(r route, b []byte, control []byte) {
	e.mu.Lock()
	s := e.sessions[r]
	e.mu.Unlock()
	if s != nil {
		s.deliver(b, ttlOf(control))
	}
}

// listen sees to it that packets for a session come in.
func (e *Endpoint) listen(r route) error {
	d := r.door()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.listeners[d] != nil {
		return nil
	}
	l, err := listen(d, e)
	if err != nil {
		return err
	}
	e.listeners[d] = l
	return nil
}

func (e *Endpoint) drain(d door) {
	e.mu.Lock()
	l := e.listeners[d]
	e.mu.Unlock()
	if l != nil {
		l.drain()
	}
}

// drop forgets a session, and listens no more where it was the last one.
func (e *Endpoint) drop(r route, s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sessions[r] != s {
		return // another one has its place
	}
	delete(e.sessions, r)
	for other := range e.sessions {
		if other.door() == r.door() {
			return
		}
	}
	if l := e.listeners[r.door()]; l != nil {
		l.conn.Close()
		delete(e.listeners, r.door())
	}
}

// lost forgets a listener that can't read any more; the next packet that is
// sent opens another one.
func (e *Endpoint) lost(l *listener) {
	l.conn.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.listeners[l.door] == l {
		delete(e.listeners, l.door)
	}
}

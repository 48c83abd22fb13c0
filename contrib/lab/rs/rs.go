// Package rs is a BGP route server that only listens: it takes routes from the
// neighbors it knows, keeps the best path of each prefix, and writes down
// everything that it was told, and when. It never sends a route to a neighbor.
package rs

import (
	"cmp"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Config is one route server.
type Config struct {
	ASN uint32
	ID  netip.Addr // BGP Identifier, an IPv4 address (RFC 4271 §4.2)
	// Hold is the Hold Time offered, in whole seconds; the lower one of both
	// sides counts (RFC 4271 §4.2).
	Hold      time.Duration
	Neighbors []Neighbor
	Policy    Policy
	// Changed is told the best path of a prefix whenever it is another one; nil
	// when there is none left. It must not call the Server.
	Changed func(netip.Prefix, *Route)
	Log     *slog.Logger
}

// Neighbor is one who may connect.
type Neighbor struct {
	Addr netip.Addr
	ASN  uint32
}

// Server is a running route server.
type Server struct {
	config Config

	mu       sync.Mutex
	routes   rib
	peers    map[netip.Addr]*peer
	events   []Event
	babbles  map[netip.Addr]bool // neighbors that Babble names
	listener net.Listener
	closed   bool
	running  sync.WaitGroup
}

// peer is what the server knows of a neighbor over all its sessions.
type peer struct {
	Neighbor
	session *session // nil when there is none
	Session
}

// Serve starts a server on l, which it owns from here on. See Listen.
func Serve(l net.Listener, c Config) *Server {
	s := &Server{config: c, listener: l, routes: rib{}, peers: map[netip.Addr]*peer{}, babbles: map[netip.Addr]bool{}}
	for _, n := range c.Neighbors {
		s.peers[n.Addr] = &peer{Neighbor: n, Session: Session{Peer: n.Addr, State: StateActive, Since: time.Now()}}
	}
	s.running.Go(s.accept)
	return s
}

// Close ends every session with Cease, Administrative Shutdown (RFC 4486), and
// drops all routes.
func (s *Server) Close() {
	s.stop((*session).shutdown)
}

// Kill ends every session without a word, as a crash would.
func (s *Server) Kill() {
	s.stop((*session).kill)
}

func (s *Server) stop(end func(*session)) {
	s.mu.Lock()
	s.closed = true
	for _, p := range s.peers {
		if p.session != nil {
			end(p.session)
		}
	}
	s.mu.Unlock()
	s.listener.Close()
	s.running.Wait()
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.running.Go(func() { s.serve(conn) })
	}
}

// serve runs one connection to its end.
func (s *Server) serve(conn net.Conn) {
	defer conn.Close()
	from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	s.mu.Lock()
	p := s.peers[from]
	if p == nil || s.closed {
		s.mu.Unlock()
		s.config.Log.Info("connection from a stranger", "from", from)
		return
	}
	x := &session{conn: conn, asn: s.config.ASN, id: s.config.ID, hold: s.config.Hold, neighbor: p.Neighbor}
	if p.session != nil {
		// RFC 4271 §6.8: an established session is kept. The older one is kept
		// here before that too, as this side never dials.
		s.mu.Unlock()
		x.notify(cease, ceaseCollision, nil)
		return
	}
	p.session = x
	s.mu.Unlock()

	err := x.run(s.established(p), s.update(p))

	s.mu.Lock()
	defer s.mu.Unlock()
	p.session = nil
	wasUp := p.State == StateEstablished
	p.State, p.Since, p.LastError = StateActive, time.Now(), err.Error()
	if wasUp {
		s.log(Event{Peer: from, Kind: Down, Detail: err.Error()})
	} else {
		s.log(Event{Peer: from, Kind: Refused, Detail: err.Error()})
	}
	for _, prefix := range s.routes.from(from) {
		s.remove(prefix, from)
	}
}

func (s *Server) established(p *peer) func() {
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		p.State, p.Since = StateEstablished, time.Now()
		p.Established++
		s.log(Event{Peer: p.Addr, Kind: Established})
		if s.babbles[p.Addr] {
			p.session.babble()
		}
	}
}

// Babble sends a neighbor a message of a type that no RFC knows, now and at the
// start of each session from now on.
func (s *Server) Babble(to netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.babbles[to] = true
	if p := s.peers[to]; p != nil && p.session != nil && p.State == StateEstablished {
		p.session.babble()
	}
}

// update takes one UPDATE: withdrawals first, as RFC 4271 §9 has it.
func (s *Server) update(p *peer) func(update) {
	return func(u update) {
		s.mu.Lock()
		defer s.mu.Unlock()
		p.Updates++
		for _, prefix := range u.withdrawn {
			s.log(Event{Peer: p.Addr, Kind: Withdraw, Prefix: prefix})
			s.remove(prefix, p.Addr)
		}
		for _, r := range u.announced {
			r.From, r.Since = p.Addr, time.Now()
			told := r
			s.log(Event{Peer: p.Addr, Kind: Update, Prefix: r.Prefix, Route: &told})
			var ok bool
			if r.LocalPref, ok = s.config.Policy(r); !ok {
				s.config.Log.Info("route refused by policy", "peer", p.Addr, "prefix", r.Prefix, "communities", r.Communities)
				s.remove(r.Prefix, p.Addr)
				continue
			}
			s.changed(r.Prefix, func() { s.routes.put(r) })
		}
	}
}

func (s *Server) remove(prefix netip.Prefix, from netip.Addr) {
	s.changed(prefix, func() { s.routes.remove(prefix, from) })
}

// changed runs f and tells the new best path of prefix, if f made it another one.
func (s *Server) changed(prefix netip.Prefix, f func()) {
	before := s.routes.best(prefix)
	f()
	after := s.routes.best(prefix)
	if s.config.Changed == nil || same(before, after) {
		return
	}
	s.config.Changed(prefix, after)
}

func (s *Server) log(e Event) {
	e.Time = time.Now()
	s.events = append(s.events, e)
	s.config.Log.Info(string(e.Kind), "peer", e.Peer, "prefix", e.Prefix, "detail", e.Detail)
}

// Routes are the accepted routes of all neighbors, sorted by prefix, the best first.
func (s *Server) Routes() []Route {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.routes.all()
}

// Sessions are the neighbors, sorted by address.
func (s *Server) Sessions() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Session
	for _, p := range s.peers {
		out = append(out, p.Session)
	}
	slices.SortFunc(out, func(a, b Session) int { return cmp.Compare(a.Peer.String(), b.Peer.String()) })
	return out
}

// Events are what happened from the start on, in the order in which it came
// over the wire; of one neighbor, that is.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Package session runs one BGP session: a connection, timers and the state
// machine of package fsm, in one goroutine. It says what it is told to, and
// counts what the peer says without keeping any of it.
package session

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/internal/bfd"
	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
	"github.com/stentor-net/stentor/bgpbackends/native/fsm"
	"github.com/stentor-net/stentor/bgpbackends/native/wire"
	"github.com/stentor-net/stentor/plugins"
)

// Config is what a session shall be.
type Config struct {
	Peer     plugins.Peer
	LocalASN uint32
	ID       netip.Addr
	// Restarting: the routes may be held by the peer from before this process
	// began (RFC 4724 §4.1).
	Restarting bool
	Log        *slog.Logger
	// Changed is called from goroutines of the session's own when View has news.
	// It must not block.
	Changed func(why string)
	// Own gives an address of this host that the peers of a session from local
	// can use as next hop; zero if there is none.
	Own func(local netip.Addr, f wire.Family) netip.Addr
	BFD *bfd.Endpoint
	// Pace is what the sessions of one speaker share.
	Pace *Pace
}

// Fits reports whether the session can go on for p of a speaker with that
// ASN and BGP Identifier: a peer's name is of no interest to it, and BFD is
// WatchPath's.
func (s *Session) Fits(p plugins.Peer, asn uint32, id netip.Addr) bool {
	p.Name = s.Peer.Name
	return desired.SameSession(p, s.Peer) && asn == s.LocalASN && id == s.ID
}

func (c *Config) external() bool { return c.LocalASN != c.Peer.ASN }

// Session is one session. Its methods may be called from any goroutine.
type Session struct {
	Config
	events chan tagged
	stop   chan stopping
	news   chan struct{} // want has changed
	cut    chan string   // the path has broken, and why
	healed chan struct{} // the path works
	ended  chan struct{}
	end    context.CancelFunc
	life   context.Context
	dialer func(context.Context, plugins.Peer, bool) (net.Conn, error)

	received atomic.Int64 // routes announced less routes withdrawn
	// What comes in an established session is noted by its reader alone, which
	// costs neither memory nor a switch to run, whatever the peer sends.
	heard   silence
	settled atomic.Int64 // the turn of a connection whose session is established; 0: none

	path *bfd.Path

	mu      sync.Mutex // guards the next five
	view    View
	conn    net.Conn
	sent    ribOut
	want    []Route
	waiting []chan struct{} // closed when want was sent

	// The rest belongs to the goroutine of run.
	machine *fsm.Machine
	// turn numbers connections and timers: what an earlier one says counts no more.
	turn     int
	hangUp   context.CancelFunc // ends an attempt or a connection
	from     *drowsy            // of the connection; nil: there is none
	looked   time.Time          // when from was last asked for what had come
	timers   [fsm.Timers]*time.Timer
	timerGen [fsm.Timers]int
	hold     time.Duration // of the last HoldTimer
	terms    *terms        // while established
}

// View is what Observe tells of a session.
type View struct {
	State     plugins.SessionState
	Since     time.Time
	LastError string
	ErrorAt   time.Time
	Unsent    string // what the session can't carry, and why
	Announced []netip.Prefix
	Received  int
	Path      *bfd.View // nil: nobody watches it
	// GracefulRestart: both ends offered it in this session.
	GracefulRestart bool
}

type stopping struct {
	n    *wire.Notification
	done chan struct{}
}

// tagged is an event of a connection or a timer.
type tagged struct {
	fsm.Event
	turn  int // of a connection; 0 is of none
	timer fsm.Timer
	gen   int // of a timer; 0 is of none
	conn  net.Conn
	again wire.Refresh // asks if it is one
}

// New starts a session, which goes on until Stop or Abandon.
func New(c Config, want []Route) *Session { return start(c, want, dial) }

func start(c Config, want []Route, dialer func(context.Context, plugins.Peer, bool) (net.Conn, error)) *Session {
	s := &Session{
		Config: c, events: make(chan tagged), stop: make(chan stopping), news: make(chan struct{}, 1), ended: make(chan struct{}), want: want, sent: ribOut{},
		cut: make(chan string, 1), healed: make(chan struct{}, 1), dialer: dialer,
		view: View{State: plugins.StateIdle, Since: time.Now()}, heard: silence{start: time.Now()},
		machine: fsm.New(fsm.Config{
			LocalASN: c.LocalASN, PeerASN: c.Peer.ASN, ID: c.ID, Hold: c.Peer.Hold, Keepalive: keepalive(c.Peer),
			ConnectRetry: max(c.Peer.ConnectRetry, time.Second), Jitter: jitter,
		}),
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.path = c.BFD.Path(c.Peer, c.external(), s.pathEvents())
	s.path.Watch(c.Peer.BFD)
	go s.run()
	return s
}

// keepalive is a third of the Hold Time where the config says nothing (RFC 4271 §10).
func keepalive(p plugins.Peer) time.Duration {
	if p.Keepalive > 0 {
		return p.Keepalive
	}
	return p.Hold / 3
}

// jitter takes up to a quarter off (RFC 4271 §10).
func jitter(d time.Duration) time.Duration {
	if d < 4 {
		return d
	}
	return d - rand.N(d/4)
}

// WatchPath has BFD watch the path to the peer from now on; nil: not any more.
func (s *Session) WatchPath(want *plugins.BFD) { s.path.Watch(want) }

// View is the present.
func (s *Session) View() View {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view
	v.Path = s.path.View()
	v.Received = int(max(s.received.Load(), 0))
	if v.State == plugins.StateEstablished {
		for p := range s.sent {
			v.Announced = append(v.Announced, p)
		}
		slices.SortFunc(v.Announced, netip.Prefix.Compare)
	} else {
		v.Received = 0
	}
	return v
}

// Tell has the peer hold want from now on, and returns when it was sent that,
// if it is there to be told. Where ctx ends first, it is sent as soon as the
// peer takes it.
func (s *Session) Tell(ctx context.Context, want []Route) {
	done := make(chan struct{})
	s.mu.Lock()
	s.want = want
	s.waiting = append(s.waiting, done)
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default: // it looks anyway
	}
	select {
	case <-done:
	case <-s.ended:
	case <-ctx.Done():
	}
}

// Stop ends the session with n, and returns when it has ended. Where ctx ends
// first, the peer gets no more words.
func (s *Session) Stop(ctx context.Context, n *wire.Notification) {
	done := make(chan struct{})
	select {
	case s.stop <- stopping{n, done}:
		<-done
	case <-s.ended:
	case <-ctx.Done():
	}
	s.Abandon()
}

// Abandon closes the connection without a word, which leaves the routes with a
// peer that helps a restart (RFC 4724 §4.2).
func (s *Session) Abandon() {
	s.end()
	s.mu.Lock()
	if s.conn != nil {
		s.conn.Close() // wakes a write that the peer does not take
	}
	s.mu.Unlock()
	<-s.ended
}

func (s *Session) run() {
	defer close(s.ended)
	defer s.path.Watch(nil) // after the peer was told why the session ends
	defer s.drop()
	s.handle(fsm.Event{Kind: fsm.Start})
	for {
		select {
		case <-s.life.Done():
			return
		case <-s.news:
			s.sync()
		case why := <-s.cut:
			s.pathDown(why)
		case <-s.healed:
			s.pathUp()
		case stop := <-s.stop:
			s.handle(fsm.Event{Kind: fsm.Stop, Notification: stop.n})
			close(stop.done)
			return
		case e := <-s.events:
			if e.turn != 0 && e.turn != s.turn || e.gen != 0 && e.gen != s.timerGen[e.timer] {
				if e.conn != nil {
					e.conn.Close()
				}
				continue
			}
			if e.conn != nil {
				s.connected(e.conn)
			}
			switch e.Kind {
			case fsm.KeepaliveExpired: // awake anyway, so that neither the HoldTimer nor the peer need wake us
				s.heardSince(false)
			case fsm.HoldExpired:
				if s.heardSince(true) {
					continue
				}
			}
			if e.Kind == fsm.RetryExpired && s.machine.State() == plugins.StateConnect {
				e.Why = s.unanswered()
			}
			s.handle(e.Event)
			s.repeat(e.again)
		}
	}
}

// handle has the machine decide, and does what it says.
func (s *Session) handle(e fsm.Event) {
	before := s.machine.State()
	for {
		var failed error
		for _, a := range s.machine.Handle(e) {
			if failed = s.act(a); failed != nil {
				break
			}
		}
		if failed == nil {
			break
		}
		e = fsm.Event{Kind: fsm.Disconnected, Why: connectionWords(failed)}
	}
	if now := s.machine.State(); now != before {
		s.entered(now)
	}
}

func (s *Session) act(a fsm.Action) error {
	switch a.Verb {
	case fsm.Dial:
		s.dial()
	case fsm.Close:
		s.drop()
	case fsm.SendOpen:
		return s.write(wire.AppendOpen(nil, s.open()))
	case fsm.SendKeepalive:
		return s.write(wire.AppendKeepalive(nil))
	case fsm.Send:
		// The session ends whether or not the peer hears why.
		_ = s.write(wire.AppendNotification(nil, a.Notification))
	case fsm.Set:
		s.set(a.Timer, a.After)
	case fsm.Clear:
		s.clear(a.Timer)
	case fsm.Up:
		return s.up()
	case fsm.Down:
		s.down(a.Why)
	}
	return nil
}

// open is what this end offers.
func (s *Session) open() *wire.Open {
	o := &wire.Open{
		ASN: s.LocalASN, Hold: s.Peer.Hold, ID: s.ID, Families: []wire.Family{wire.IPv4, wire.IPv6}, FourOctetAS: true,
		RouteRefresh: true, EnhancedRefresh: true, ExtendedNextHop: true, ExtendedMessage: true,
	}
	if s.Peer.GracefulRestart > 0 {
		o.Restart = &wire.Restart{Restarting: s.Restarting, Time: s.Peer.GracefulRestart}
	}
	return o
}

func (s *Session) dial() {
	ctx, cancel := context.WithCancel(s.life)
	s.turn++
	turn := s.turn
	s.hangUp = cancel
	go func() {
		conn, err := s.dialer(ctx, s.Peer, s.external())
		if err != nil {
			s.post(ctx, tagged{Event: fsm.Event{Kind: fsm.Disconnected, Why: s.whyNoAnswer(err)}, turn: turn})
			return
		}
		if !s.post(ctx, tagged{Event: fsm.Event{Kind: fsm.Connected}, turn: turn, conn: conn}) {
			conn.Close()
		}
	}()
}

// post hands an event over, unless its source is of no interest any more.
func (s *Session) post(ctx context.Context, e tagged) bool {
	select {
	case s.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Session) connected(conn net.Conn) {
	ctx, cancel := context.WithCancel(s.life)
	s.hangUp()
	s.hangUp = cancel
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	s.received.Store(0)
	s.from = newDrowsy(conn)
	go s.read(ctx, s.from, s.turn)
}

// drop ends the connection or the attempt.
func (s *Session) drop() {
	if s.hangUp != nil {
		s.hangUp()
		s.hangUp = nil
	}
	s.turn++
	s.from = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// entered notes a new state for those who look.
func (s *Session) entered(state plugins.SessionState) {
	s.mu.Lock()
	was := s.view.State
	s.view.State, s.view.Since = state, time.Now()
	if state == plugins.StateEstablished {
		s.settled.Store(int64(s.turn))
	} else {
		s.settled.Store(0)
		clear(s.sent)
		s.terms, s.view.Unsent, s.view.GracefulRestart = nil, "", false
	}
	s.mu.Unlock()
	if (state == plugins.StateEstablished) != (was == plugins.StateEstablished) {
		s.Log.Info("session", "peer", s.Peer.Name, "state", string(state))
		s.Changed("session with " + s.Peer.Name + " is " + string(state))
	}
}

func (s *Session) down(why string) {
	s.mu.Lock()
	news := s.view.LastError != why
	s.view.LastError, s.view.ErrorAt = why, time.Now()
	s.mu.Unlock()
	if news {
		s.Log.Warn("no session", "peer", s.Peer.Name, "why", why)
		s.Changed(s.Peer.Name + ": " + why)
	}
}

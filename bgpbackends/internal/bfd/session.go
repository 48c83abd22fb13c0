package bfd

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Config is what a session shall be.
type Config struct {
	Peer  netip.Addr
	Local netip.Addr // source of the packets; zero lets the kernel choose
	// Multihop: the peer may be behind routers (RFC 5883).
	Multihop bool
	// MinTTL is the lowest TTL that a packet over several hops may arrive with.
	// Over one hop it is 255 (RFC 5881 §5).
	MinTTL int
	Timers Timers
	Key    *Key // nil: packets are not authenticated
	// Changed is called from the session's own goroutine; it must not block.
	Changed func(View)
}

// View is how a session is.
type View struct {
	State State
	Since time.Time
	Diag  Diag // why it left Up the last time
	// PeerDisabled: the peer has switched its side off, which says nothing of
	// the path (RFC 5882 §3.2).
	PeerDisabled bool
	DetectTime   time.Duration
	// Late is the longest delay of this host's own within the last minutes.
	Late    time.Duration
	Error   string // why no packet can be sent
	Refused string // why the peer's last packet was not taken
}

// link carries the packets of one session.
type link interface {
	send([]byte) error
	// drain hands over what has arrived and was not read yet.
	drain()
	close()
}

// Session is one session. Its methods may be called from any goroutine, and
// do not block.
type Session struct {
	Config
	link    link
	in      chan Packet
	retimed chan Timers
	stop    chan struct{} // AdminDown, and then the end
	quit    chan struct{} // AdminDown, and the end at once
	ended   chan struct{}
	once    sync.Once
	over    sync.Once

	mu   sync.Mutex
	view View

	// The rest belongs to the goroutine of run.
	machine    *Machine
	late       lateness
	transmit   *time.Timer
	detect     *time.Timer
	due, until time.Time // of the two
	granted    time.Duration
	failed     string
	buf        []byte
}

// queue is how many packets of a peer may wait. More come from nobody who
// keeps to the intervals, and are dropped.
const queue = 16

func newSession(c Config, l link) *Session {
	s := &Session{
		Config: c, link: l, in: make(chan Packet, queue), retimed: make(chan Timers, 1),
		stop: make(chan struct{}), quit: make(chan struct{}), ended: make(chan struct{}),
		machine: NewMachine(c.Timers, c.Key, 1+rand.Uint32N(1<<32-1), rand.Uint32()),
		view:    View{State: Down, Since: time.Now()},
	}
	go s.run()
	return s
}

// View is the present.
func (s *Session) View() View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

// Retime changes the timers; the session stays up.
func (s *Session) Retime(t Timers) {
	select {
	case <-s.retimed: // one that is not worth anything any more
	default:
	}
	select {
	case s.retimed <- t:
	default: // somebody else's, from the same moment
	}
}

// Stop tells the peer that this side is switched off, for as long as the peer
// may take to notice a silence, lest it takes the end for a failure.
func (s *Session) Stop() { s.once.Do(func() { close(s.stop) }) }

// Quit is Stop for a process that ends: the peer is told once.
func (s *Session) Quit() { s.over.Do(func() { close(s.quit) }) }

// deliver hands over what came from the peer; too much of it is dropped.
func (s *Session) deliver(b []byte, ttl int) {
	p, err := s.check(b, ttl)
	s.mu.Lock()
	s.view.Refused = ""
	if err != nil {
		s.view.Refused = err.Error()
	}
	s.mu.Unlock()
	if err != nil {
		return
	}
	select {
	case s.in <- p:
	default:
	}
}

// check decodes a packet. Over one hop none can arrive with another TTL than
// 255 that a neighbour has sent (RFC 5881 §5).
func (s *Session) check(b []byte, ttl int) (Packet, error) {
	least := s.MinTTL
	if !s.Multihop {
		least = maxTTL
	}
	if ttl < least {
		return Packet{}, fmt.Errorf("it arrived with TTL %d, and must with %d at least", ttl, least)
	}
	return Decode(b, s.Key)
}

func (s *Session) run() {
	defer close(s.ended)
	defer s.link.close()
	s.transmit, s.detect = stopped(), stopped()
	defer s.transmit.Stop()
	defer s.detect.Stop()
	s.late.began = time.Now()
	s.handle(Event{Kind: Start})
	var end <-chan time.Time
	stop := s.stop
	for {
		select {
		case p := <-s.in:
			s.granted = 0
			s.handle(Event{Kind: Received, Packet: p})
		case <-s.transmit.C:
			s.lateBy(s.due)
			s.handle(Event{Kind: Due})
		case <-s.detect.C:
			s.expire()
		case t := <-s.retimed:
			s.handle(Event{Kind: Retimed, Timers: t})
		case <-stop:
			stop = nil
			end = time.After(s.machine.Linger())
			s.handle(Event{Kind: Disabled})
		case <-s.quit:
			s.handle(Event{Kind: Disabled})
			return
		case <-end:
			return
		}
	}
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// lateBy notes how late a timer was.
func (s *Session) lateBy(due time.Time) time.Duration {
	now := time.Now()
	late := now.Sub(due)
	s.late.note(now, late)
	s.mu.Lock()
	s.view.Late = s.late.worst(now)
	s.mu.Unlock()
	return late
}

// expire ends the Detection Time, unless it is this host that was late: then
// what has arrived meanwhile counts, and the peer is given the time that this
// host stood still.
func (s *Session) expire() {
	late := s.lateBy(s.until)
	s.link.drain()
	select {
	case p := <-s.in:
		s.granted = 0
		s.handle(Event{Kind: Received, Packet: p})
		return
	default:
	}
	if more := widen(late, s.machine.DetectTime(), s.granted); more > 0 {
		s.granted += more
		s.wait(s.detect, &s.until, more)
		return
	}
	s.granted = 0
	s.handle(Event{Kind: Expired})
}

func (s *Session) handle(e Event) {
	changed := false
	for _, a := range s.machine.Handle(e) {
		switch a.Verb {
		case Send:
			s.send(a.Packet)
		case Transmit:
			s.wait(s.transmit, &s.due, s.jittered(a.After))
		case Detect:
			s.wait(s.detect, &s.until, a.After)
		case Changed:
			changed = true
		}
	}
	s.mu.Lock()
	v := &s.view
	v.Diag, v.DetectTime, v.Error = s.machine.Diag(), s.machine.DetectTime(), s.failed
	peer, _ := s.machine.Remote()
	v.PeerDisabled = peer == AdminDown
	if changed {
		v.State, v.Since = s.machine.State(), time.Now()
	}
	now := *v
	s.mu.Unlock()
	if changed {
		s.Changed(now)
	}
}

// wait sets a timer, or stops it for 0.
func (s *Session) wait(t *time.Timer, due *time.Time, after time.Duration) {
	t.Stop()
	if after > 0 {
		*due = time.Now().Add(after)
		t.Reset(after)
	}
}

// jittered takes up to a quarter off; with a Detect Mult of 1 at least a tenth,
// or a packet would come just when the peer gives up (RFC 5880 §6.8.7).
func (s *Session) jittered(d time.Duration) time.Duration {
	if d < 20 {
		return d
	}
	most := d
	if s.machine.timers.Multiplier == 1 {
		most = d * 9 / 10
	}
	return most - rand.N(most-d*3/4+1)
}

// send writes a packet. One that can't be sent is as good as lost on the way;
// why is remembered.
func (s *Session) send(p Packet) {
	s.buf = p.Append(s.buf[:0], s.Key)
	s.failed = ""
	if err := s.link.send(s.buf); err != nil {
		s.failed = err.Error()
	}
}

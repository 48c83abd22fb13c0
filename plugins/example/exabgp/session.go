package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// Delays between two runs of an ExaBGP that ends by itself.
const (
	retryMin = time.Second
	retryMax = 30 * time.Second
	// patience is when a peer that gave no answer is told of.
	patience = 5 * time.Second
	// byeTime is for the Cease: when the peer has it, nothing is lost any more.
	byeTime = 2 * time.Second
)

// session is the session with one peer, and the ExaBGP that has it.
type session struct {
	target
	source netip.Addr
	log    *slog.Logger
	tell   func(plugins.Change)
	stop   context.CancelFunc // of the goroutine that runs ExaBGP,
	done   chan struct{}      // and it has ended

	mu     sync.Mutex
	leave  bool // end was called
	began  time.Time
	state  plugins.PeerState
	agreed *negotiated // nil without a session
	routes map[netip.Prefix]route
	given  map[netip.Prefix]string // what ExaBGP was told to announce in the present session
	sent   map[netip.Prefix]bool   // what it has sent in it
	moved  chan struct{}           // closed and made anew whenever one of these moves
	lines  []string                // to ExaBGP, not yet written
	more   *sync.Cond              // there are lines, or proc is another
	proc   *process

	refused   string // what can't be sent in the present session, and since when
	refusedAt time.Time
}

// start begins a session.
func start(log *slog.Logger, program string, t target, tell func(plugins.Change)) (*session, error) {
	local, err := source(t.peer)
	if err != nil {
		return nil, err
	}
	dir, err := folder()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	ctx, stop := context.WithCancel(context.Background())
	s := &session{
		target: t, source: local, log: log, tell: tell, stop: stop, done: make(chan struct{}),
		began: now, state: plugins.PeerState{Name: t.peer.Name, State: plugins.StateIdle, Since: now},
		routes: maps.Clone(t.routes), moved: make(chan struct{}),
	}
	s.more = sync.NewCond(&s.mu)
	go func() {
		defer close(s.done)
		defer os.RemoveAll(dir)
		s.keep(ctx, program, dir)
	}()
	return s, nil
}

// keep runs ExaBGP, again and again.
func (s *session) keep(ctx context.Context, program, dir string) {
	for delay := retryMin; ctx.Err() == nil; delay = min(2*delay, retryMax) {
		began := time.Now()
		err := s.run(ctx, program, dir)
		if ctx.Err() != nil {
			return
		}
		s.failed(fmt.Sprintf("ExaBGP ended: %v", err))
		s.log.Warn("ExaBGP ended and is started again", "error", err, "in", delay)
		if time.Since(began) > time.Minute {
			delay = retryMin
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
}

// run is one run of ExaBGP, until it ends or ctx does.
func (s *session) run(ctx context.Context, program, dir string) error {
	p, err := launch(ctx, s.log, program, dir, s.config)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { p.conn.Close() })()
	s.mu.Lock()
	s.proc, s.lines = p, nil
	s.mu.Unlock()
	go s.write(p)
	lines := bufio.NewScanner(p.conn)
	lines.Buffer(nil, 1<<20) // an UPDATE has 4096 octets; its JSON is some times as long
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text == "error" {
			s.log.Warn("ExaBGP refused a command")
		} else if e, err := parse(lines.Bytes()); err == nil {
			s.heard(e)
		}
	}
	s.mu.Lock()
	s.proc = nil
	s.more.Broadcast() // the writer ends
	s.mu.Unlock()
	return errors.Join(lines.Err(), p.kill())
}

// write gives ExaBGP its commands. It is not done where they arise: ExaBGP may
// wait for us to read before it reads.
func (s *session) write(p *process) {
	for {
		s.mu.Lock()
		for s.proc == p && len(s.lines) == 0 {
			s.more.Wait()
		}
		if s.proc != p {
			s.mu.Unlock()
			return
		}
		lines := s.lines
		s.lines = nil
		s.mu.Unlock()
		if _, err := io.WriteString(p.conn, strings.Join(lines, "")); err != nil {
			return // the reader sees it too
		}
	}
}

// heard takes an event of ExaBGP's.
func (s *session) heard(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.move()
	n := e.Neighbor
	switch e.Type {
	case "negotiated":
		s.agreed, s.given, s.sent = n.Negotiated, map[netip.Prefix]string{}, map[netip.Prefix]bool{}
	case "fsm":
		s.enter(e.state())
	case "state":
		switch n.State {
		case "up":
			s.enter(plugins.StateEstablished)
			s.sync()
		case "down":
			s.agreed, s.given, s.sent = nil, nil, nil
			s.complain(n.Reason)
			s.enter(plugins.StateIdle)
		}
	case "notification":
		who := "the peer ended the session with "
		if n.Direction == "send" {
			who = "ended with "
		}
		if n.Notification != nil {
			s.complain(who + n.Notification.String())
		}
	case "update":
		if n.Direction == "send" && s.sent != nil {
			for _, p := range e.announced() {
				s.sent[p] = true
			}
			for _, p := range e.withdrawn() {
				delete(s.sent, p)
			}
			if len(s.sent) == len(s.given) { // whoever looked before saw half of it
				s.tell(plugins.Change{Object: s.peer.Name, Why: fmt.Sprintf("%s was told %d prefixes", s.peer.Name, len(s.sent))})
			}
		}
	}
}

// complain notes an error, unless another one said more of the same a moment ago.
func (s *session) complain(text string) {
	if time.Since(s.state.ErrorAt) > time.Second || len(text) > len(s.state.LastError) {
		s.state.LastError, s.state.ErrorAt = text, time.Now()
	}
}

func (s *session) enter(state plugins.SessionState) {
	if s.state.State == state {
		return
	}
	if state == plugins.StateEstablished || s.state.State == plugins.StateEstablished {
		s.tell(plugins.Change{Object: s.peer.Name, Why: fmt.Sprintf("the session with %s is %s", s.peer.Name, state)})
	}
	s.state.State, s.state.Since = state, time.Now()
}

// failed is the end of an ExaBGP.
func (s *session) failed(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agreed, s.given, s.sent = nil, nil, nil
	s.state.LastError, s.state.ErrorAt = why, time.Now()
	s.enter(plugins.StateIdle)
	s.move()
}

func (s *session) move() {
	close(s.moved)
	s.moved = make(chan struct{})
}

// want says what shall be announced from now on.
func (s *session) want(routes map[netip.Prefix]route) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !maps.Equal(s.routes, routes) {
		s.routes = maps.Clone(routes)
		s.sync()
	}
}

func (s *session) wanted() map[netip.Prefix]route {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.routes)
}

func (s *session) ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leave
}

// end withdraws all, sends a Cease, and ends ExaBGP.
func (s *session) end(ctx context.Context) error {
	s.mu.Lock()
	s.leave, s.routes = true, nil
	s.sync()
	s.mu.Unlock()
	if err := s.until(ctx, func() bool { return len(s.sent) == 0 }); err != nil {
		return err
	}
	// A neighbor that is not to be dialled is another one to ExaBGP, so that it
	// sends the old one a Cease. After a plain teardown it would dial again at once.
	s.mu.Lock()
	if s.agreed != nil && s.proc != nil {
		if err := s.proc.configure(mute(s.config)); err != nil {
			s.mu.Unlock()
			return err
		}
		s.lines = append(s.lines, "reload\n")
		s.more.Broadcast()
	}
	s.mu.Unlock()
	bye, cancel := context.WithTimeout(ctx, byeTime)
	defer cancel()
	_ = s.until(bye, func() bool { return s.agreed == nil })
	return s.kill()
}

// until waits until ok, which is called with the lock held.
func (s *session) until(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		done, moved := ok(), s.moved
		s.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *session) kill() error {
	s.stop()
	<-s.done
	return nil
}

func (s *session) observe() plugins.PeerState {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.state
	if o.State == plugins.StateEstablished {
		if s.refused != "" {
			o.LastError, o.ErrorAt = s.refused, s.refusedAt
		}
		o.Announced = slices.SortedFunc(maps.Keys(s.sent), netip.Prefix.Compare)
	} else if o.LastError == "" && time.Since(s.began) > patience {
		o.LastError, o.ErrorAt = "no session yet: "+s.peer.Addr.String()+" port 179 gives no answer", s.began.Add(patience)
	}
	return o
}

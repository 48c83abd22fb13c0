package bgppeer

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Kind says what an Event is.
type Kind string

// The kinds of Event, in the order of a session's life.
const (
	Accepted             Kind = "accepted"     // the TCP connection
	OpenReceived         Kind = "open"         // Open is set
	Established          Kind = "established"  // both sides have sent a KEEPALIVE
	UpdateReceived       Kind = "update"       // Update is set
	NotificationReceived Kind = "notification" // Notification is set
	Closed               Kind = "closed"       // Err says how
)

// Event is one thing that the far side did.
type Event struct {
	Time         time.Time
	Kind         Kind
	Session      int // counts accepted connections from 1
	Remote       netip.AddrPort
	Open         *Open
	Update       *Update
	Notification *Notification
	Err          error
}

// String is one line for a failing test's log.
func (e Event) String() string {
	s := fmt.Sprintf("%s #%d %s", e.Time.Format("05.000"), e.Session, e.Kind)
	switch {
	case e.Open != nil:
		s += fmt.Sprintf(" AS %d hold %s", e.Open.ASN, e.Open.Hold)
	case e.Update != nil:
		s += fmt.Sprintf(" announced %v withdrawn %v next hop %v", e.Update.Announced, e.Update.Withdrawn, e.Update.NextHop)
	case e.Notification != nil:
		s += fmt.Sprintf(" %d/%d", e.Notification.Code, e.Notification.Subcode)
	case e.Err != nil:
		s += " " + e.Err.Error()
	}
	return s
}

// history is an append-only list that can be waited on.
type history struct {
	mu     sync.Mutex
	events []Event
	more   chan struct{} // closed and replaced at each append
}

func (h *history) init() { h.more = make(chan struct{}) }

func (h *history) add(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.Time = time.Now()
	h.events = append(h.events, e)
	close(h.more)
	h.more = make(chan struct{})
}

func (h *history) since(n int) ([]Event, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events[n:len(h.events):len(h.events)], h.more
}

// Events gives all that happened so far, oldest first.
func (p *Peer) Events() []Event {
	events, _ := p.log.since(0)
	return events
}

// Wait returns the first Event, of past or future, that match accepts. When
// ctx ends it returns an error that tells the whole history.
func (p *Peer) Wait(ctx context.Context, match func(Event) bool) (Event, error) {
	for n := 0; ; {
		events, more := p.log.since(n)
		for _, e := range events {
			if match(e) {
				return e, nil
			}
		}
		n += len(events)
		select {
		case <-more:
		case <-ctx.Done():
			return Event{}, fmt.Errorf("%w; the peer saw:\n%s", ctx.Err(), p.Transcript())
		}
	}
}

// Transcript is the whole history, a line for each Event.
func (p *Peer) Transcript() string {
	var b strings.Builder
	for _, e := range p.Events() {
		b.WriteString(e.String() + "\n")
	}
	return b.String()
}

// Table gives the routes that the live sessions hold: what was announced and
// neither withdrawn nor lost with its session.
func (p *Peer) Table() map[netip.Prefix]Attributes {
	bySession := map[int]map[netip.Prefix]Attributes{}
	for _, e := range p.Events() {
		switch e.Kind {
		case Accepted:
			bySession[e.Session] = map[netip.Prefix]Attributes{}
		case Closed:
			delete(bySession, e.Session)
		case UpdateReceived:
			for _, w := range e.Update.Withdrawn {
				delete(bySession[e.Session], w)
			}
			for _, a := range e.Update.Announced {
				bySession[e.Session][a] = e.Update.Attributes
			}
		}
	}
	table := map[netip.Prefix]Attributes{}
	for _, routes := range bySession {
		for prefix, attrs := range routes {
			table[prefix] = attrs
		}
	}
	return table
}

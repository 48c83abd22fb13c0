package gobgp

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// ledger holds what is known of each session: its state, what the peer was
// told, and what went wrong. It is fed in the order in which things happen.
type ledger struct {
	now func() time.Time

	mu    sync.Mutex
	pages map[netip.Addr]*page
	owed  int           // sum of all pages' owed
	quits chan struct{} // closed while owed is 0
}

// page is one peer's part of the ledger.
type page struct {
	state plugins.SessionState
	since time.Time
	// policy is the state in which the policies changed last.
	policy plugins.SessionState

	told   map[netip.Prefix]struct{}
	sorted []netip.Prefix            // told in order; nil when it changed
	owed   map[netip.Prefix]struct{} // handed to GoBGP, not yet on the wire

	lost   trouble   // why the last session ended
	dial   trouble   // why the last connection did not come up
	silent time.Time // since when connecting gets no answer at all; zero while it does
	blamed string    // what a NOTIFICATION said, until the session's end
}

// trouble is a sentence for people with its time.
type trouble struct {
	text string
	at   time.Time
}

func newLedger(now func() time.Time) *ledger {
	l := &ledger{now: now, pages: map[netip.Addr]*page{}, quits: make(chan struct{})}
	close(l.quits)
	return l
}

// open starts an empty page for a new peer.
func (l *ledger) open(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pages[addr] = &page{state: plugins.StateIdle, since: l.now()}
}

// drop forgets a peer.
func (l *ledger) drop(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.pages[addr]; p != nil {
		l.settle(p)
		delete(l.pages, addr)
	}
}

// idle notes that a peer was taken out of GoBGP, which tells nothing of that.
func (l *ledger) idle(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.pages[addr]; p != nil {
		l.enter(p, plugins.StateIdle)
	}
}

// moved notes a state change. reason is GoBGP's, for the case that no
// NOTIFICATION told more. It returns why the session ended, if it did.
func (l *ledger) moved(t transition, reason string) (why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.pages[t.addr]
	if p == nil {
		return ""
	}
	l.enter(p, t.to)
	switch t.to {
	case plugins.StateEstablished:
		p.dial = trouble{}
	case plugins.StateActive:
		p.silent = l.now()
	case plugins.StateIdle:
		why = reason
		if p.blamed != "" {
			why = p.blamed
		}
		p.lost = trouble{why, l.now()}
	}
	p.blamed = ""
	return why
}

// enter changes the state. A session that begins or ends has told nothing yet
// or told it in vain.
func (l *ledger) enter(p *page, to plugins.SessionState) {
	if to != p.state {
		p.state, p.since = to, l.now()
	}
	p.told, p.sorted = nil, nil
	l.settle(p)
}

// settle forgives what is owed to one peer.
func (l *ledger) settle(p *page) {
	l.pay(len(p.owed))
	p.owed = nil
}

func (l *ledger) pay(n int) {
	if n == 0 {
		return
	}
	if l.owed -= n; l.owed == 0 {
		close(l.quits)
	}
}

// blame notes what a NOTIFICATION said; the state change that follows uses it.
func (l *ledger) blame(addr netip.Addr, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.pages[addr]; p != nil {
		p.blamed = text
	}
}

// fail notes a trouble that ended no session.
func (l *ledger) fail(addr netip.Addr, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.pages[addr]; p != nil {
		p.lost = trouble{text, l.now()}
	}
}

// dialFailed notes a connection that did not come up.
func (l *ledger) dialFailed(addr netip.Addr, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.pages[addr]
	if p == nil {
		return
	}
	words, answered := dialWords(err)
	switch {
	case answered:
		p.dial, p.silent = trouble{words, l.now()}, time.Time{}
	case p.silent.IsZero():
		p.silent = l.now()
	}
}

// sent notes an UPDATE that was written to a peer's connection. news is true
// if an Apply did not wait for all of it, as for the table that a new session
// is sent: then nobody else looks.
func (l *ledger) sent(addr netip.Addr, announced, withdrawn []netip.Prefix) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.pages[addr]
	// A session that this backend took down may still be winding up.
	if p == nil || p.state != plugins.StateEstablished {
		return false
	}
	if p.told == nil {
		p.told = map[netip.Prefix]struct{}{}
	}
	paid := 0
	settle := func(x netip.Prefix) {
		if _, ok := p.owed[x]; ok {
			delete(p.owed, x)
			paid++
		}
	}
	for _, x := range withdrawn {
		delete(p.told, x)
		settle(x)
	}
	for _, x := range announced {
		p.told[x] = struct{}{}
		settle(x)
	}
	p.sorted = nil
	l.pay(paid)
	return paid < len(announced)+len(withdrawn)
}

// owe notes that a change of x is about to be handed to GoBGP. A peer whose
// session is up is owed an UPDATE if it shall be told x, or if it was.
func (l *ledger) owe(addr netip.Addr, x netip.Prefix, shall bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.pages[addr]
	if p == nil || p.state != plugins.StateEstablished {
		return
	}
	if _, was := p.told[x]; !was && !shall {
		return
	}
	if _, already := p.owed[x]; already {
		return
	}
	if p.owed == nil {
		p.owed = map[netip.Prefix]struct{}{}
	}
	p.owed[x] = struct{}{}
	if l.owed++; l.owed == 1 {
		l.quits = make(chan struct{})
	}
}

// forgive takes back what was owed for x; GoBGP refused the change.
func (l *ledger) forgive(x netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.pages {
		if _, ok := p.owed[x]; ok {
			delete(p.owed, x)
			l.pay(1)
		}
	}
}

// wait returns when nothing is owed any more, or when ctx ends.
func (l *ledger) wait(ctx context.Context) {
	l.mu.Lock()
	quits := l.quits
	l.mu.Unlock()
	select {
	case <-quits:
	case <-ctx.Done():
	}
}

// policySet notes that GoBGP is about to change its policies. It says so in
// the same order as the state changes.
func (l *ledger) policySet(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.pages[addr]; p != nil {
		p.policy = p.state
	}
}

// policyWhile tells in which state a session was when the policies changed
// last. From established on, the peer's table had been put together before.
func (l *ledger) policyWhile(addr netip.Addr) plugins.SessionState {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.pages[addr]; p != nil {
		return p.policy
	}
	return plugins.StateIdle
}

// stuckAfter is how long a peer may stay silent before that is called an error.
const stuckAfter = 15 * time.Second

// read fills in State, Since, Announced, LastError and ErrorAt.
func (l *ledger) read(addr netip.Addr) plugins.PeerState {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.pages[addr]
	if p == nil {
		return plugins.PeerState{State: plugins.StateIdle}
	}
	if p.sorted == nil && len(p.told) > 0 {
		p.sorted = make([]netip.Prefix, 0, len(p.told))
		for x := range p.told {
			p.sorted = append(p.sorted, x)
		}
		slices.SortFunc(p.sorted, netip.Prefix.Compare)
	}
	s := plugins.PeerState{State: p.state, Since: p.since, Announced: slices.Clone(p.sorted)}
	last := p.lost
	if p.dial.at.After(last.at) {
		last = p.dial
	}
	switch {
	// GoBGP connects in the state ACTIVE.
	case p.state == plugins.StateActive && !p.silent.IsZero() && l.now().Sub(p.silent) >= stuckAfter:
		last = trouble{"no answer in 15 s (check password, TTL, reachability)", p.silent.Add(stuckAfter)}
	case p.state == plugins.StateOpenSent && l.now().Sub(p.since) >= stuckAfter:
		last = trouble{"connected, but no OPEN from the peer in 15 s", p.since.Add(stuckAfter)}
	}
	s.LastError, s.ErrorAt = last.text, last.at
	return s
}

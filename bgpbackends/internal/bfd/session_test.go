package bfd

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is one direction of a path without a socket.
type pipe struct {
	to      func() *Session
	cut     *atomic.Bool
	unread  [][]byte // with held: what waits in the socket
	held    bool
	mu      sync.Mutex
	sent    int
	lastFin Packet
}

func (p *pipe) send(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent++
	p.lastFin, _ = Decode(b, nil)
	switch {
	case p.cut.Load():
	case p.held:
		p.unread = append(p.unread, append([]byte(nil), b...))
	default:
		p.to().deliver(b, maxTTL)
	}
	return nil
}

func (p *pipe) drain() {}
func (p *pipe) close() {}

// draining is a link whose far end waits in the socket.
type draining struct {
	link
	from *pipe
}

func (d draining) drain() {
	d.from.mu.Lock()
	waiting := d.from.unread
	d.from.unread = nil
	d.from.mu.Unlock()
	for _, b := range waiting {
		d.from.to().deliver(b, maxTTL)
	}
}

// pair are two sessions with each other.
type pair struct {
	a, b         *Session
	toA, toB     *pipe
	cut          atomic.Bool
	mu           sync.Mutex
	views        []View // of a
	began, moved time.Time
}

func newPair(timers Timers) *pair {
	p := &pair{began: time.Now()}
	ready := make(chan struct{})
	p.toB = &pipe{cut: &p.cut, to: func() *Session { <-ready; return p.b }}
	p.toA = &pipe{cut: &p.cut, to: func() *Session { <-ready; return p.a }}
	c := Config{Peer: netip.MustParseAddr("192.0.2.1"), Timers: timers, Changed: func(v View) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.views, p.moved = append(p.views, v), time.Now()
	}}
	p.a = newSession(c, draining{p.toB, p.toA})
	c.Changed = func(View) {}
	p.b = newSession(c, p.toA)
	close(ready)
	return p
}

func (p *pair) end() {
	p.a.Quit()
	p.b.Quit()
	<-p.a.ended
	<-p.b.ended
}

// TestLife: up within two of the slow intervals; down when the Detection Time
// is over; up again when the path is.
func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(timers)
		defer p.end()
		time.Sleep(2 * slow)
		synctest.Wait()
		if a, b := p.a.View(), p.b.View(); a.State != Up || b.State != Up || a.DetectTime != 3*fast {
			t.Fatalf("%+v, %+v", a, b)
		}
		before := p.toB.sent
		time.Sleep(time.Minute)
		if n := p.toB.sent - before; n < 200 || n > 267 { // every 225 to 300 ms
			t.Errorf("%d packets in a minute", n)
		}
		p.cut.Store(true)
		silent := time.Now()
		time.Sleep(3 * fast)
		synctest.Wait()
		v := p.a.View()
		if v.State != Down || v.Diag != DetectExpired || v.PeerDisabled {
			t.Fatalf("after a silence of the Detection Time: %+v", v)
		}
		if took := p.moved.Sub(silent); took < 2*fast || took > 3*fast {
			t.Errorf("the silence was noticed after %s", took)
		}
		p.cut.Store(false)
		time.Sleep(2 * slow)
		if v := p.a.View(); v.State != Up {
			t.Errorf("on a good path again: %+v", v)
		}
		if p.a.View().Late != 0 {
			t.Errorf("on a clock that is never late: %s", p.a.View().Late)
		}
	})
}

// TestStop: a peer that switches its side off says so for longer than a silence
// of it would be noticed, and that is no failure of the path.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(timers)
		time.Sleep(2 * slow)
		p.b.Stop()
		synctest.Wait()
		if v := p.a.View(); v.State != Down || !v.PeerDisabled || v.Diag != NeighborDown {
			t.Errorf("%+v", v)
		}
		before := p.toA.sent
		<-p.b.ended
		if n := p.toA.sent - before; n < 2 {
			t.Errorf("%d more packets while it lingers", n)
		}
		time.Sleep(time.Minute)
		if v := p.a.View(); v.State != Down || v.Diag != NeighborDown {
			t.Errorf("a minute later: %+v", v)
		}
		p.a.Quit()
		<-p.a.ended
		if p.toB.lastFin.State != AdminDown {
			t.Errorf("its last word was %+v", p.toB.lastFin)
		}
	})
}

// TestRetime: other timers take effect on both sides, and the session stays.
func TestRetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(timers)
		defer p.end()
		time.Sleep(2 * slow)
		for _, tx := range []time.Duration{50 * time.Millisecond, 2 * time.Second} {
			p.a.Retime(Timers{TX: tx, RX: tx, Multiplier: 5})
			time.Sleep(10 * time.Second)
			if a, b := p.a.View(), p.b.View(); a.State != Up || b.State != Up || a.DetectTime != 3*max(tx, fast) || b.DetectTime != 5*max(tx, fast) {
				t.Errorf("every %s: %+v, %+v", tx, a, b)
			}
		}
		if n := len(p.views); n != 1 && n != 2 { // Init may be skipped
			t.Errorf("%d changes of state: %+v", n, p.views)
		}
	})
}

// TestUnread: packets that have arrived and were not read keep a session up.
func TestUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(timers)
		defer p.end()
		time.Sleep(2 * slow)
		p.toA.mu.Lock()
		p.toA.held = true
		p.toA.mu.Unlock()
		time.Sleep(10 * time.Second)
		if v := p.a.View(); v.State != Up || len(p.views) > 2 {
			t.Errorf("%+v", p.views)
		}
	})
}

// TestTTL: over one hop nothing is taken that may have crossed a router.
func TestTTL(t *testing.T) {
	down := Packet{State: Down, Multiplier: 3, My: 1}
	b := down.Append(nil, nil)
	tests := map[string]struct {
		c   Config
		ttl int
		ok  bool
	}{
		"one hop":                 {Config{}, 255, true},
		"one hop, from afar":      {Config{}, 254, false},
		"one hop, not told":       {Config{}, 0, false},
		"several hops":            {Config{Multihop: true}, 3, true},
		"several hops, bounded":   {Config{Multihop: true, MinTTL: 254}, 254, true},
		"several hops, too many":  {Config{Multihop: true, MinTTL: 254}, 253, false},
		"one hop, with a minimum": {Config{MinTTL: 1}, 254, false},
	}
	for name, tt := range tests {
		if _, err := (&Session{Config: tt.c}).check(b, tt.ttl); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWiden(t *testing.T) {
	const detect = 900 * time.Millisecond
	tests := []struct{ late, granted, want time.Duration }{
		{time.Millisecond, 0, 0}, // as timers are
		{89 * time.Millisecond, 0, 0},
		{200 * time.Millisecond, 0, 200 * time.Millisecond},
		{time.Hour, 0, detect},
		{500 * time.Millisecond, 500 * time.Millisecond, 400 * time.Millisecond},
		{time.Second, detect, 0}, // no longer than that
	}
	for _, tt := range tests {
		if got := widen(tt.late, detect, tt.granted); got != tt.want {
			t.Errorf("%s late, %s granted: %s, want %s", tt.late, tt.granted, got, tt.want)
		}
	}
}

func TestLateness(t *testing.T) {
	start := time.Now()
	l := lateness{began: start}
	l.note(start.Add(time.Second), 5)
	l.note(start.Add(2*time.Second), 3)
	for after, want := range map[time.Duration]time.Duration{2 * time.Second: 5, lateWindow + time.Second: 5} {
		if got := l.worst(start.Add(after)); got != want {
			t.Errorf("after %s: %d, want %d", after, got, want)
		}
	}
	if got := l.worst(start.Add(3 * lateWindow)); got != 0 {
		t.Errorf("long after: %d", got)
	}
}

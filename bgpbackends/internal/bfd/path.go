package bfd

import (
	"fmt"
	"sync"

	"github.com/stentor-net/stentor/plugins"
)

// Events are what a BGP session is told of its path. They are called from a
// goroutine of the BFD session's own, and must not block.
type Events struct {
	Up func(View)
	// Broken ends the BGP session at once (RFC 5882 §4.2).
	Broken func(why string)
	// PeerOff: the peer has switched its side off, which says nothing of the
	// path (RFC 5882 §3.2).
	PeerOff func()
}

// Path is BFD beside one BGP session. Its methods may be called from any
// goroutine, and do not block.
type Path struct {
	endpoint *Endpoint
	peer     plugins.Peer
	external bool
	events   Events

	mu      sync.Mutex
	session *Session    // nil: nobody watches the path
	how     plugins.BFD // it does
}

// Path is the one beside a BGP session with p. Nobody watches it yet.
func (e *Endpoint) Path(p plugins.Peer, external bool, events Events) *Path {
	return &Path{endpoint: e, peer: p, external: external, events: events}
}

// Watch has BFD watch the path from now on; nil: not any more. Other timers
// need no new BFD session, another key does, and neither a new BGP session.
func (p *Path) Watch(want *plugins.BFD) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session != nil && (want == nil || !SameKey(*want, p.how)) {
		p.session.Stop()
		p.session = nil
	}
	switch {
	case want == nil:
		return
	case p.session == nil:
		p.session = p.endpoint.Start(ConfigFor(p.peer, *want, p.external, follow(p.events)))
	default:
		p.session.Retime(TimersOf(*want))
	}
	p.how = *want
}

// View is the present; nil if nobody watches the path.
func (p *Path) View() *View {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session == nil {
		return nil
	}
	v := p.session.View()
	return &v
}

// follow gives what a BFD session calls. One that never came up does not keep
// BGP from its work (RFC 5882 §4.2).
func follow(e Events) func(View) {
	up := false
	return func(v View) {
		was := up
		up = v.State == Up
		switch {
		case up:
			e.Up(v)
		case was && v.State == Down && v.PeerDisabled:
			e.PeerOff()
		case was && v.State == Down: // and not switched off here
			e.Broken(brokenWords(v))
		}
	}
}

// brokenWords say why BFD went down.
func brokenWords(v View) string {
	if v.Diag != DetectExpired {
		return fmt.Sprintf("BFD went down: %s", v.Diag)
	}
	return fmt.Sprintf("BFD heard nothing for %s", v.DetectTime)
}

package reconcile

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// speaker is a BGP backend at work, and what it may have told the peers.
type speaker struct {
	*actor[plugins.Speaker, plugins.SpeakerState]
	bgp     plugins.BGPBackend
	look    atomic.Bool // it says that something moved
	exposed Exposure
	unwatch context.CancelFunc
	came    <-chan struct{} // closed when it can be called without a wait; nil: at once
}

// starting is a backend whose process may still be coming up.
type starting interface{ Came() <-chan struct{} }

func newSpeaker(b plugins.BGPBackend) *speaker {
	s := &speaker{
		actor: newActor(b, sameSpeaker, func(want plugins.Speaker) int { return len(want.Announcements) }),
		bgp:   b, exposed: Exposure{},
	}
	if b, ok := b.(starting); ok {
		s.came = b.Came()
	}
	return s
}

// coming tells that a call would wait for the process. By then it might be
// asked for more: the addresses are being put on the host meanwhile.
func (s *speaker) coming() bool {
	select {
	case <-s.came:
		return false
	default:
		return s.came != nil
	}
}

func (s *speaker) name() string { return s.bgp.Info().Name }

// side is the speaker as a handover sees it, when share is its part.
func (s *speaker) side(share plugins.Speaker) side {
	return side{seen: s.seen, known: s.observed || s.err != nil, settled: s.settled(share), err: s.err}
}

// ErrHandover refuses a third speaker while two are at it.
var ErrHandover = errors.New("a handover from one BGP backend to another is under way; wait until status shows its end")

// SetSpeaker hands the peers over to b, if another speaker has them.
func (l *Loop) SetSpeaker(b plugins.BGPBackend) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaving != nil && b != l.bgp.bgp && b != l.leaving.bgp || l.next != nil && l.next != b {
		return ErrHandover
	}
	l.next = b
	l.Wake()
	return nil
}

// SpeakerName is the backend that has the peers, or is being given them.
func (l *Loop) SpeakerName() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next != nil {
		return l.next.Info().Name
	}
	return l.bgp.name()
}

// speakers are those at work, the one that is to stay first.
func (l *Loop) speakers() []*speaker {
	if l.leaving == nil {
		return []*speaker{l.bgp}
	}
	return []*speaker{l.bgp, l.leaving}
}

// exposure is what any peer may have been told by any speaker; false, if one
// was not seen yet and may be announcing what an earlier run asked for.
func (l *Loop) exposure() (Exposure, bool) {
	all, seen := Exposure{}, true
	for _, s := range l.speakers() {
		maps.Copy(all, s.exposed)
		seen = seen && s.observed
	}
	return all, seen
}

// turn begins, or turns round, the handover that SetSpeaker asked for.
func (l *Loop) turn(ctx context.Context, want plugins.Speaker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.next
	l.next = nil
	switch {
	case b == nil || l.leaving == nil && b == l.bgp.bgp:
	case l.leaving == nil:
		to := newSpeaker(b)
		l.startWatch(ctx, to)
		l.beginHandover(to)
	case b == l.leaving.bgp:
		l.hand.reverse(want)
		l.hand.turnedBack = ""
		l.bgp, l.leaving = l.leaving, l.bgp
	}
}

// resume takes the peers over from the speaker of an earlier run.
func (l *Loop) resume(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to := l.bgp
	l.bgp = newSpeaker(l.Earlier)
	l.startWatch(ctx, l.bgp)
	l.beginHandover(to)
}

func (l *Loop) beginHandover(to *speaker) {
	l.bgp, l.leaving = to, l.bgp
	from := l.leaving.name()
	l.hand = &handover{from: from, to: to.name(), moved: map[string]bool{}, origin: from, terms: l.leaving.tried}
	l.failed = ""
	l.Log.Info("handing the peers over", "from", l.hand.from, "to", l.hand.to)
}

// divide gives each speaker its share, and moves the handover on.
func (l *Loop) divide(ctx context.Context, now time.Time, want plugins.Speaker) (shares []plugins.Speaker, next time.Time) {
	l.turn(ctx, want)
	for l.leaving != nil {
		from, to := l.hand.shares(want)
		turned := l.hand.turnedBack
		at, changed := l.hand.step(now, want, l.leaving.side(from), l.bgp.side(to))
		if l.hand.turnedBack != turned {
			l.Log.Error("handover failed", "why", l.hand.turnedBack)
			l.setSpeakers(l.leaving, l.bgp)
		}
		if changed {
			continue
		}
		if l.hand.moving != "" || len(from.Peers) > 0 || !l.leaving.settled(from) {
			return []plugins.Speaker{to, from}, at
		}
		l.Log.Info("handed the peers over", "from", l.hand.from, "to", l.hand.to)
		l.leaving.unwatch()
		l.failed = l.hand.turnedBack
		l.left(l.leaving)
		l.setSpeakers(l.bgp, nil)
	}
	return []plugins.Speaker{want}, time.Time{}
}

func (l *Loop) left(s *speaker) {
	if l.Left != nil {
		l.Left(s.name())
	}
}

func (l *Loop) setSpeakers(bgp, leaving *speaker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bgp, l.leaving = bgp, leaving
}

// sessions are the peers, each as the speaker sees it that has the peer.
func (l *Loop) sessions() plugins.SpeakerState {
	if l.leaving == nil {
		return l.bgp.seen
	}
	var all plugins.SpeakerState
	for _, p := range l.bgp.seen.Peers {
		if l.hand.moved[p.Name] {
			all.Peers = append(all.Peers, p)
		}
	}
	for _, p := range l.leaving.seen.Peers {
		if !l.hand.moved[p.Name] || p.Name == l.hand.moving && l.hand.released.IsZero() {
			all.Peers = append(all.Peers, p)
		}
	}
	return all
}

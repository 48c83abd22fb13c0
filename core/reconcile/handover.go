package reconcile

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// handoverLimit is how long a peer that had a session may be without one
// before it is given back: several attempts to connect, and no more.
const handoverLimit = 20 * time.Second

// handover moves the peers from one speaker to another. A peer keeps one
// session with an address (RFC 4271 §6.8), so the two can't both have it: they
// go one at a time, and while one is between its sessions the others still
// have the routes. Where there is one peer alone, its routes are away for that
// time.
type handover struct {
	from, to string          // backends, for people
	moved    map[string]bool // peers that are to's
	// moving is the one of them that is on its way; the rest belongs to it.
	moving   string
	released time.Time // when from had let go of it; zero: not yet
	had      bool      // from had a session with it,
	told     int       // and had told it so many prefixes
	// origin had the peers when it began, on these terms: the config that
	// brings another speaker may ask for what this one can't do.
	origin string
	terms  plugins.Speaker
	// turnedBack says why the peers go back to where they came from.
	turnedBack string
}

// side is what a handover needs to know of one speaker.
type side struct {
	seen    plugins.SpeakerState
	known   bool // seen says something, or err why it can't
	settled bool // it holds its share
	err     error
}

func (s side) peer(name string) plugins.PeerState {
	i := slices.IndexFunc(s.seen.Peers, func(p plugins.PeerState) bool { return p.Name == name })
	if i < 0 {
		return plugins.PeerState{Name: name, State: plugins.StateIdle}
	}
	return s.seen.Peers[i]
}

// shares splits want. Without peers, a share is the zero Speaker.
func (h *handover) shares(want plugins.Speaker) (from, to plugins.Speaker) {
	from = only(want, func(peer string) bool { return !h.moved[peer] })
	to = only(want, func(peer string) bool {
		return h.moved[peer] && (peer != h.moving || !h.released.IsZero())
	})
	if h.from == h.origin {
		return h.onOldTerms(from), to
	}
	return from, h.onOldTerms(to)
}

// onOldTerms is share with its sessions as the origin has had them.
func (h *handover) onOldTerms(share plugins.Speaker) plugins.Speaker {
	if len(h.terms.Peers) == 0 || len(share.Peers) == 0 {
		return share
	}
	share.ASN, share.RouterID = h.terms.ASN, h.terms.RouterID
	for i, p := range share.Peers {
		if old := slices.IndexFunc(h.terms.Peers, func(t plugins.Peer) bool { return t.Name == p.Name }); old >= 0 {
			share.Peers[i] = h.terms.Peers[old]
		}
	}
	return share
}

// only is want for those of its peers that mine tells.
func only(want plugins.Speaker, mine func(peer string) bool) plugins.Speaker {
	other := func(peer string) bool { return !mine(peer) }
	share := want
	share.Peers = slices.DeleteFunc(slices.Clone(want.Peers), func(p plugins.Peer) bool { return other(p.Name) })
	if len(share.Peers) == 0 {
		return plugins.Speaker{}
	}
	share.Announcements = nil
	for _, a := range want.Announcements {
		if len(a.Peers) > 0 {
			if a.Peers = slices.DeleteFunc(slices.Clone(a.Peers), other); len(a.Peers) == 0 {
				continue
			}
		}
		share.Announcements = append(share.Announcements, a)
	}
	return share
}

// step does the next thing, if it is time for it: then the shares are others.
// Else next is when to look again if nothing moves.
func (h *handover) step(now time.Time, want plugins.Speaker, from, to side) (next time.Time, changed bool) {
	switch end := h.released.Add(handoverLimit); {
	case h.moving == "":
		return time.Time{}, from.known && h.choose(want, from)
	case h.released.IsZero():
		// A speaker that is down holds no session. If it does after all, the
		// new session does not come up, and the peer goes back.
		if !from.settled && from.err == nil {
			return time.Time{}, false
		}
		h.released = now
	case h.arrived(want, to):
		h.moving = ""
	case now.Before(end):
		return end, false
	default:
		h.turnBack(want, to)
	}
	return time.Time{}, true
}

// choose takes the next peer: first those that have nothing to lose.
func (h *handover) choose(want plugins.Speaker, from side) bool {
	var next *plugins.PeerState
	for _, p := range want.Peers {
		if h.moved[p.Name] {
			continue
		}
		state := from.peer(p.Name)
		if next == nil || state.State != plugins.StateEstablished && next.State == plugins.StateEstablished {
			next = &state
		}
	}
	if next == nil {
		return false
	}
	h.moving, h.released = next.Name, time.Time{}
	h.had, h.told = next.State == plugins.StateEstablished, len(next.Announced)
	h.moved[next.Name] = true
	return true
}

// arrived tells whether the peer on its way is no worse off than before.
func (h *handover) arrived(want plugins.Speaker, to side) bool {
	wanted := slices.ContainsFunc(want.Peers, func(p plugins.Peer) bool { return p.Name == h.moving })
	if !wanted || !h.had {
		return true
	}
	p := to.peer(h.moving)
	return p.State == plugins.StateEstablished && len(p.Announced) >= min(h.told, len(toldTo(want, h.moving)))
}

// toldTo are the prefixes that want has for a peer.
func toldTo(want plugins.Speaker, peer string) []netip.Prefix {
	var all []netip.Prefix
	for _, a := range want.Announcements {
		if len(a.Peers) == 0 || slices.Contains(a.Peers, peer) {
			all = append(all, a.Prefix)
		}
	}
	return all
}

// turnBack makes it the handover of the moved peers to where they came from.
func (h *handover) turnBack(want plugins.Speaker, to side) {
	why := "no session came up"
	if last := to.peer(h.moving).LastError; last != "" {
		why = last
	}
	if to.err != nil {
		why = sentence(to.err)
	}
	why = fmt.Sprintf("%s could not take over peer %s within %s (%s), so %s has the peers again; reload to try once more", h.to, h.moving, handoverLimit, why, h.from)
	h.reverse(want)
	h.turnedBack = why
}

// reverse swaps the sides. The peer on its way goes back first.
func (h *handover) reverse(want plugins.Speaker) {
	moved := map[string]bool{}
	for _, p := range want.Peers {
		moved[p.Name] = !h.moved[p.Name]
	}
	if h.moving != "" {
		moved[h.moving] = true
	}
	h.from, h.to, h.moved = h.to, h.from, moved
	h.released, h.had = time.Time{}, false
}

// String tells people how far it is.
func (h *handover) String() string {
	done := 0
	for _, moved := range h.moved {
		if moved {
			done++
		}
	}
	if h.moving != "" {
		return fmt.Sprintf("moving the peers from %s to %s: number %d, %s, is on its way", h.from, h.to, done, h.moving)
	}
	return fmt.Sprintf("moving the peers from %s to %s: all moved, waiting for %s to end", h.from, h.to, h.from)
}

package bird

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// Observe tells the sessions. A BIRD that does not run has none, and that is
// said of each peer.
func (b *Backend) Observe(ctx context.Context) (plugins.SpeakerState, error) {
	b.mu.Lock()
	want := b.want
	b.mu.Unlock()
	s, err := dial(ctx, b.socket)
	if errors.Is(err, errDown) {
		return b.allDown(want), nil
	}
	if err != nil {
		return plugins.SpeakerState{}, err
	}
	defer s.close()
	protocols, err := s.protocols(ctx)
	if err != nil {
		return plugins.SpeakerState{}, err
	}
	byName := map[string]protocol{}
	for _, p := range protocols {
		byName[p.name] = p
	}
	var out plugins.SpeakerState
	for _, peer := range want.peers {
		state, err := b.peer(ctx, s, want, peer, byName[strings.Trim(names{ours}.peer(peer.Name), "'")])
		if err != nil {
			return out, err
		}
		out.Peers = append(out.Peers, state)
	}
	return out, nil
}

// peer puts together what is known of one peer. The zero protocol is one that
// BIRD does not have.
func (b *Backend) peer(ctx context.Context, s *session, want speaker, peer plugins.Peer, p protocol) (plugins.PeerState, error) {
	state := plugins.PeerState{Name: peer.Name, State: sessionState(p.bgpState), Received: p.received}
	var trouble string
	switch {
	case p.name == "":
		trouble = "BIRD has no such session"
	case p.state == "down":
		trouble = "the session is disabled in BIRD (birdc enable " + p.name + ")"
	default:
		trouble = p.lastError
		if trouble != "" && p.message != "" {
			trouble += ": " + p.message
		}
	}
	if state.State == plugins.StateEstablished {
		var err error
		if state.Announced, err = s.announced(ctx, peer.Name); err != nil {
			return state, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	state.Since, state.LastError, state.ErrorAt = b.notes.take(peer.Name, state.State, p.since, trouble)
	if state.State == plugins.StateEstablished {
		if text := unsent(want, peer, state.Announced, p.down); text != "" {
			state.LastError, state.ErrorAt = text, state.Since
		}
	}
	return state, nil
}

// allDown is what is seen of a BIRD that does not run.
func (b *Backend) allDown(want speaker) plugins.SpeakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out plugins.SpeakerState
	for _, p := range want.peers {
		state := plugins.PeerState{Name: p.Name, State: plugins.StateIdle}
		state.Since, state.LastError, state.ErrorAt = b.notes.take(p.Name, state.State, "", errDown.Error())
		out.Peers = append(out.Peers, state)
	}
	return out
}

// sessionState puts BIRD's word for a state, which has "Close" besides those
// of RFC 4271 and "Down" for a protocol that is not up, into ours.
func sessionState(word string) plugins.SessionState {
	switch s := plugins.SessionState(strings.ToLower(word)); s {
	case plugins.StateConnect, plugins.StateActive, plugins.StateOpenSent, plugins.StateOpenConfirm, plugins.StateEstablished:
		return s
	}
	return plugins.StateIdle
}

// announced asks for the prefixes that a peer was told.
func (s *session) announced(ctx context.Context, peer string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, family := range families {
		r, err := s.ask(ctx, fmt.Sprintf("show route table %s exported %s", names{ours}.table(family), names{ours}.peer(peer)))
		if refused(err) == codeSyntax {
			// Before 2.0.8 BIRD can only tell what the filter lets through.
			r, err = s.ask(ctx, fmt.Sprintf("show route table %s export %s", names{ours}.table(family), names{ours}.peer(peer)))
		}
		if err != nil && refused(err) == 0 {
			return nil, err
		}
		// A refusal is a session, or a table, that has gone since.
		all = append(all, parseRoutes(r)...)
	}
	return all, nil
}

// unsent says which prefixes an established peer should have been told and was
// not, and why.
func unsent(want speaker, peer plugins.Peer, announced []netip.Prefix, down []string) string {
	have := map[netip.Prefix]bool{}
	for _, p := range announced {
		have[p] = true
	}
	var missing []netip.Prefix
	for _, a := range want.routes {
		if told(a, peer.Name) && !have[a.Prefix] {
			missing = append(missing, a.Prefix)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	text := missing[0].String()
	if n := len(missing) - 1; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	text += " not sent"
	for _, c := range down {
		if c == channel(familyOf(missing[0])) {
			text += ": the peer did not negotiate " + map[string]string{"ipv4": "IPv4", "ipv6": "IPv6"}[c] + " unicast"
		}
	}
	return text
}

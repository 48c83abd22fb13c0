package gobgp

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/stentor-net/stentor/plugins"
)

// Observe tells the sessions. What a peer was told is taken from the UPDATEs
// that were written to its connection.
func (b *Backend) Observe(ctx context.Context) (plugins.SpeakerState, error) {
	if err := ctx.Err(); err != nil {
		return plugins.SpeakerState{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var out plugins.SpeakerState
	if len(b.have.Peers) == 0 {
		return out, nil
	}
	infos, err := b.peerInfo(ctx, netip.Addr{})
	if err != nil {
		return out, err
	}
	for _, p := range b.have.SortedPeers() {
		s := b.ledger.read(p.Addr)
		s.Name, s.Received = p.Name, infos[p.Addr].received
		if s.State == plugins.StateEstablished {
			s.GracefulRestart = infos[p.Addr].restart
			if text := b.unsent(b.sessions[p.Addr]); text != "" {
				s.LastError, s.ErrorAt = text, s.Since
			}
		}
		if now := b.sessions[p.Addr]; now != nil {
			if path := now.path.View(); path != nil {
				s.BFD = path.Words()
			}
		}
		out.Peers = append(out.Peers, s)
	}
	return out, nil
}

// unsent says which routes an established session can't carry, and why.
func (b *Backend) unsent(s *session) string {
	if s == nil || s.caps == nil {
		return "" // just established; it is being worked on
	}
	var first netip.Prefix
	var reason string
	n := 0
	for x, r := range b.have.Routes {
		ok, why := s.sends(r)
		if ok || why == "" {
			continue
		}
		if n++; n == 1 || x.Compare(first) < 0 {
			first, reason = x, why
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%s is not sent: %s", first, reason)
	}
	return fmt.Sprintf("%s and %d more are not sent: %s", first, n-1, reason)
}

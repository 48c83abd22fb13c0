package gobgp

import (
	"net/netip"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/stentor-net/stentor/bgpbackends/internal/bfd"
	"github.com/stentor-net/stentor/plugins"
)

// cut is a path that BFD has found broken.
type cut struct {
	addr netip.Addr
	why  string
}

// pathTo is BFD beside the session with a peer.
func (b *Backend) pathTo(p plugins.Peer) *bfd.Path {
	return b.bfd.Path(p, p.ASN != b.have.ASN, bfd.Events{
		Up: func(v bfd.View) {
			b.log.Info("BFD is up", "peer", p.Name, "detect_time", v.DetectTime)
			b.hints.put(plugins.Change{Object: p.Name, Why: "BFD is up"})
		},
		Broken: func(why string) { b.cuts.put(cut{p.Addr, why}) },
		PeerOff: func() {
			b.log.Info("the peer has switched BFD off", "peer", p.Name)
			b.hints.put(plugins.Change{Object: p.Name, Why: "the peer has switched BFD off"})
		},
	})
}

// followPaths works off what BFD finds until life ends.
func (b *Backend) followPaths() {
	for {
		c, err := b.cuts.take(b.life)
		if err != nil {
			return
		}
		b.hangUp(c)
	}
}

// hangUp ends a session whose path is broken (RFC 5882 §4.2). GoBGP has no
// Cease for that (RFC 9384): the peer, should it hear us, is told of an
// Administrative Reset, and why in words. An attempt to connect goes on: it is
// made on the path as it will be.
func (b *Backend) hangUp(c cut) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[c.addr]
	if s == nil || b.ledger.read(c.addr).State != plugins.StateEstablished {
		return
	}
	if err := b.bgp.ResetPeer(b.life, &api.ResetPeerRequest{Address: c.addr.String(), Communication: c.why}); err != nil {
		b.log.Error("end the session, whose path is broken", "peer", s.peer.Name, "why", c.why, "error", err)
	}
}

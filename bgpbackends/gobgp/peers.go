package gobgp

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/stentor-net/stentor/plugins"
)

// addPeer hands a peer to GoBGP, which dials it at once and ever again.
func (b *Backend) addPeer(ctx context.Context, p plugins.Peer) error {
	n := neighbour(p)
	// Within the restart time this process may be the one after that which told
	// the peer the routes. The bits that say so (RFC 4724 §3) keep a helper from
	// dropping them a moment before they are sent again.
	if n.GracefulRestart != nil {
		n.GracefulRestart.LocalRestarting = time.Since(b.began) < p.GracefulRestart
	}
	if err := b.bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: n}); err != nil {
		return fmt.Errorf("add peer %s: %w", p.Name, err)
	}
	return nil
}

// deletePeer takes a peer from GoBGP, which ends its session with a Cease.
func (b *Backend) deletePeer(ctx context.Context, addr netip.Addr) error {
	// What the old session still logs while it winds up is no news.
	b.ledger.idle(addr)
	if err := b.bgp.DeletePeer(ctx, &api.DeletePeerRequest{Address: addr.String()}); err != nil {
		return fmt.Errorf("delete peer %s: %w", addr, err)
	}
	return nil
}

// updatePeer changes the timers of a peer whose session may stay.
func (b *Backend) updatePeer(ctx context.Context, p plugins.Peer) error {
	if _, err := b.bgp.UpdatePeer(ctx, &api.UpdatePeerRequest{Peer: neighbour(p)}); err != nil {
		return fmt.Errorf("update peer %s: %w", p.Name, err)
	}
	return nil
}

// neighbour puts a peer into GoBGP's words.
func neighbour(p plugins.Peer) *api.Peer {
	n := &api.Peer{
		Conf: &api.PeerConf{NeighborAddress: p.Addr.String(), PeerAsn: p.ASN, AuthPassword: p.Password},
		Timers: &api.Timers{Config: &api.TimersConfig{
			HoldTime:          uint64(p.Hold / time.Second),
			KeepaliveInterval: uint64(p.Keepalive / time.Second),
			ConnectRetry:      retrySeconds(p.ConnectRetry),
		}},
		Transport: &api.Transport{},
	}
	if p.LocalAddr.IsValid() {
		n.Transport.LocalAddress = p.LocalAddr.String()
	}
	// TTL is for eBGP. GoBGP leaves that of iBGP sessions to the kernel.
	if p.TTL > 1 {
		n.EbgpMultihop = &api.EbgpMultihop{Enabled: true, MultihopTtl: uint32(p.TTL)}
	}
	if p.TTLSecurity > 0 {
		// A packet sent with 255 arrives with 255 over one hop (RFC 5082 §3).
		n.TtlSecurity = &api.TtlSecurity{Enabled: true, TtlMin: uint32(256 - p.TTLSecurity)}
	}
	for _, f := range []*api.Family{familyIPv4, familyIPv6} {
		n.AfiSafis = append(n.AfiSafis, &api.AfiSafi{
			Config:            &api.AfiSafiConfig{Family: f, Enabled: true},
			MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: p.GracefulRestart > 0}},
		})
	}
	if p.GracefulRestart > 0 {
		// Without the N bit (RFC 8538): with it a peer keeps the routes of a
		// host that went silent for the Hold Time and the restart time.
		n.GracefulRestart = &api.GracefulRestart{Enabled: true, RestartTime: uint32(p.GracefulRestart / time.Second), DeferralTime: 1}
	}
	return n
}

// retrySeconds fits GoBGP's jitter: it waits 1 to 2 times what it is given,
// RFC 4271 §10 wants 0.75 to 1 times the ConnectRetryTime.
func retrySeconds(d time.Duration) uint64 {
	return max(1, uint64(d/(2*time.Second)))
}

// peerInfo is what GoBGP alone knows of a peer.
type peerInfo struct {
	state    plugins.SessionState
	caps     capabilities
	received int
	restart  bool // both ends offered graceful restart
	// deferring: GoBGP holds the table and every change of it back until the
	// peers sent End-of-RIB, or the DeferralTime is over (RFC 4724 §4.1).
	deferring bool
}

// peerInfo asks GoBGP about one peer, or about all for the zero Addr.
func (b *Backend) peerInfo(ctx context.Context, addr netip.Addr) (map[netip.Addr]peerInfo, error) {
	req := &api.ListPeerRequest{}
	if addr.IsValid() {
		req.Address = addr.String()
	}
	found := map[netip.Addr]peerInfo{}
	err := b.bgp.ListPeer(ctx, req, func(p *api.Peer) {
		addr, err := netip.ParseAddr(p.GetConf().GetNeighborAddress())
		if err != nil {
			return
		}
		i := peerInfo{state: sessionStates[p.GetState().GetSessionState()], caps: readCapabilities(p)}
		i.restart = p.GetGracefulRestart().GetEnabled() && i.caps.gracefulRestart
		i.deferring = p.GetGracefulRestart().GetLocalRestarting()
		for _, f := range p.GetAfiSafis() {
			i.received += int(f.GetState().GetReceived())
		}
		found[addr] = i
	})
	if err != nil {
		return nil, fmt.Errorf("list peers: %w", err)
	}
	return found, nil
}

var sessionStates = map[api.PeerState_SessionState]plugins.SessionState{
	api.PeerState_IDLE:        plugins.StateIdle,
	api.PeerState_CONNECT:     plugins.StateConnect,
	api.PeerState_ACTIVE:      plugins.StateActive,
	api.PeerState_OPENSENT:    plugins.StateOpenSent,
	api.PeerState_OPENCONFIRM: plugins.StateOpenConfirm,
	api.PeerState_ESTABLISHED: plugins.StateEstablished,
}

// capabilities are what the peer's OPEN offered of what matters here.
type capabilities struct {
	ipv4, ipv6 bool
	// extendedNextHop: IPv6 next hops for IPv4 unicast (RFC 8950).
	extendedNextHop bool
	gracefulRestart bool
}

func readCapabilities(p *api.Peer) capabilities {
	var c capabilities
	unicast := func(f *api.Family, afi api.Family_Afi) bool {
		return f.GetAfi() == afi && f.GetSafi() == api.Family_SAFI_UNICAST
	}
	multiprotocol := false
	for _, packed := range p.GetState().GetRemoteCap() {
		m, err := packed.UnmarshalNew()
		if err != nil {
			continue
		}
		switch m := m.(type) {
		case *api.GracefulRestartCapability:
			c.gracefulRestart = true
		case *api.MultiProtocolCapability:
			multiprotocol = true
			c.ipv4 = c.ipv4 || unicast(m.GetFamily(), api.Family_AFI_IP)
			c.ipv6 = c.ipv6 || unicast(m.GetFamily(), api.Family_AFI_IP6)
		case *api.ExtendedNexthopCapability:
			for _, t := range m.GetTuples() {
				if unicast(t.GetNlriFamily(), api.Family_AFI_IP) && t.GetNexthopFamily().GetAfi() == api.Family_AFI_IP6 {
					c.extendedNextHop = true
				}
			}
		}
	}
	if !multiprotocol {
		c.ipv4 = true // a speaker without RFC 4760 speaks IPv4 unicast
	}
	return c
}

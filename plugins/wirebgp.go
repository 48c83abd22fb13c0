package plugins

import (
	"net/netip"

	"github.com/stentor-net/stentor/plugins/internal/wire"
	pb "github.com/stentor-net/stentor/plugins/proto/v1"
)

func sessionStates() map[SessionState]pb.SessionState {
	return map[SessionState]pb.SessionState{
		StateIdle:        pb.SessionState_SESSION_STATE_IDLE,
		StateConnect:     pb.SessionState_SESSION_STATE_CONNECT,
		StateActive:      pb.SessionState_SESSION_STATE_ACTIVE,
		StateOpenSent:    pb.SessionState_SESSION_STATE_OPEN_SENT,
		StateOpenConfirm: pb.SessionState_SESSION_STATE_OPEN_CONFIRM,
		StateEstablished: pb.SessionState_SESSION_STATE_ESTABLISHED,
	}
}

func speakerToWire(s Speaker) *pb.Speaker {
	return &pb.Speaker{
		Asn: s.ASN, RouterId: wire.Addr(s.RouterID),
		Peers: wire.Map(s.Peers, peerToWire), Announcements: wire.Map(s.Announcements, announcementToWire),
	}
}

func speakerFromWire(s *pb.Speaker) (Speaker, error) {
	r := &wire.Reader{}
	return Speaker{
		ASN: s.GetAsn(), RouterID: r.Addr("router_id", s.GetRouterId()),
		Peers:         wire.Map(s.GetPeers(), func(p *pb.Peer) Peer { return peerFromWire(r, p) }),
		Announcements: wire.Map(s.GetAnnouncements(), func(a *pb.Announcement) Announcement { return announcementFromWire(r, a) }),
	}, r.Err()
}

func peerToWire(p Peer) *pb.Peer {
	out := &pb.Peer{
		Name: wire.Text(p.Name), Address: wire.Addr(p.Addr), Asn: p.ASN, LocalAddress: wire.Addr(p.LocalAddr),
		HoldTime: wire.Duration(p.Hold), Keepalive: wire.Duration(p.Keepalive), ConnectRetry: wire.Duration(p.ConnectRetry),
		Ttl: wire.Uint32(p.TTL), TtlSecurity: wire.Uint32(p.TTLSecurity), Password: []byte(p.Password),
		GracefulRestart: wire.Duration(p.GracefulRestart),
	}
	if p.BFD != nil {
		out.Bfd = &pb.BFD{
			Tx: wire.Duration(p.BFD.TX), Rx: wire.Duration(p.BFD.RX), Multiplier: wire.Uint32(p.BFD.Multiplier),
			Password: []byte(p.BFD.Password), KeyId: wire.Uint32(p.BFD.KeyID), Meticulous: p.BFD.Meticulous,
		}
	}
	if p.AO.Key != "" {
		out.Ao = &pb.TCPAO{Key: []byte(p.AO.Key), SendId: uint32(p.AO.SendID), ReceiveId: uint32(p.AO.RecvID), Algorithm: string(p.AO.Algorithm)}
	}
	return out
}

func peerFromWire(r *wire.Reader, p *pb.Peer) Peer {
	of := " of peer " + p.GetName()
	out := Peer{
		Name: p.GetName(), Addr: r.Addr("address"+of, p.GetAddress()), ASN: p.GetAsn(), LocalAddr: r.Addr("local_address"+of, p.GetLocalAddress()),
		Hold: r.Duration("hold_time"+of, p.GetHoldTime()), Keepalive: r.Duration("keepalive"+of, p.GetKeepalive()),
		ConnectRetry: r.Duration("connect_retry"+of, p.GetConnectRetry()),
		TTL:          int(p.GetTtl()), TTLSecurity: int(p.GetTtlSecurity()), Password: string(p.GetPassword()),
		GracefulRestart: r.Duration("graceful_restart"+of, p.GetGracefulRestart()),
	}
	if b := p.GetBfd(); b != nil {
		out.BFD = &BFD{
			TX: r.Duration("BFD tx"+of, b.GetTx()), RX: r.Duration("BFD rx"+of, b.GetRx()), Multiplier: int(b.GetMultiplier()),
			Password: string(b.GetPassword()), KeyID: int(b.GetKeyId()), Meticulous: b.GetMeticulous(),
		}
	}
	if ao := p.GetAo(); ao != nil {
		out.AO = TCPAO{
			Key: string(ao.GetKey()), SendID: r.Uint8("TCP-AO send_id"+of, ao.GetSendId()), RecvID: r.Uint8("TCP-AO receive_id"+of, ao.GetReceiveId()),
			Algorithm: AOAlgorithm(ao.GetAlgorithm()),
		}
	}
	return out
}

func announcementToWire(a Announcement) *pb.Announcement {
	return &pb.Announcement{
		Vip: wire.Text(a.VIP), Prefix: wire.Prefix(a.Prefix), NextHop: wire.Addr(a.NextHop),
		Communities: wire.Map(a.Communities, func(c Community) uint32 { return uint32(c) }),
		LargeCommunities: wire.Map(a.LargeCommunities, func(c LargeCommunity) *pb.LargeCommunity {
			return &pb.LargeCommunity{Global: c.Global, Local1: c.Local1, Local2: c.Local2}
		}),
		Med: a.MED, LocalPref: a.LocalPref, Prepend: wire.Uint32(a.Prepend), Peers: wire.Texts(a.Peers),
	}
}

func announcementFromWire(r *wire.Reader, a *pb.Announcement) Announcement {
	of := " of the announcement for " + a.GetVip()
	return Announcement{
		VIP: a.GetVip(), Prefix: r.Prefix("prefix"+of, a.GetPrefix()), NextHop: r.Addr("next_hop"+of, a.GetNextHop()),
		Communities: wire.Map(a.GetCommunities(), func(c uint32) Community { return Community(c) }),
		LargeCommunities: wire.Map(a.GetLargeCommunities(), func(c *pb.LargeCommunity) LargeCommunity {
			return LargeCommunity{Global: c.GetGlobal(), Local1: c.GetLocal1(), Local2: c.GetLocal2()}
		}),
		MED: a.Med, LocalPref: a.LocalPref, Prepend: int(a.GetPrepend()), Peers: a.GetPeers(),
	}
}

func speakerStateToWire(s SpeakerState) *pb.ObserveSpeakerResponse {
	return &pb.ObserveSpeakerResponse{Peers: wire.Map(s.Peers, func(p PeerState) *pb.PeerState {
		return &pb.PeerState{
			Name: wire.Text(p.Name), State: sessionStates()[p.State], Since: wire.Time(p.Since),
			Announced: wire.Map(p.Announced, wire.Prefix), LastError: wire.Text(p.LastError), ErrorAt: wire.Time(p.ErrorAt),
			Received: wire.Uint32(p.Received), Bfd: bfdStateToWire(p.BFD), GracefulRestart: p.GracefulRestart,
		}
	})}
}

func bfdStateToWire(b *BFDState) *pb.BFDState {
	if b == nil {
		return nil
	}
	return &pb.BFDState{State: wire.Text(b.State), Since: wire.Time(b.Since), DetectTime: wire.Duration(b.DetectTime), Late: wire.Duration(b.Late), Why: wire.Text(b.Why)}
}

func bfdStateFromWire(r *wire.Reader, of string, b *pb.BFDState) *BFDState {
	if b == nil {
		return nil
	}
	return &BFDState{
		State: b.GetState(), Since: r.Time("BFD since"+of, b.GetSince()), DetectTime: r.Duration("BFD detect_time"+of, b.GetDetectTime()),
		Late: r.Duration("BFD late"+of, b.GetLate()), Why: b.GetWhy(),
	}
}

func speakerStateFromWire(s *pb.ObserveSpeakerResponse) (SpeakerState, error) {
	r := &wire.Reader{}
	return SpeakerState{Peers: wire.Map(s.GetPeers(), func(p *pb.PeerState) PeerState {
		of := " of peer " + p.GetName()
		state, err := word(sessionStates(), p.GetState())
		if err != nil {
			r.Fail("state"+of, err)
		}
		return PeerState{
			Name: p.GetName(), State: state, Since: r.Time("since"+of, p.GetSince()),
			Announced: wire.Map(p.GetAnnounced(), func(s string) netip.Prefix { return r.Prefix("a prefix"+of, s) }),
			LastError: p.GetLastError(), ErrorAt: r.Time("error_at"+of, p.GetErrorAt()), Received: int(p.GetReceived()),
			BFD: bfdStateFromWire(r, of, p.GetBfd()), GracefulRestart: p.GetGracefulRestart(),
		}
	})}, r.Err()
}

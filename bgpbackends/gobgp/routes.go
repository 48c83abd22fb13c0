package gobgp

import (
	"context"
	"fmt"
	"net/netip"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
	"github.com/stentor-net/stentor/plugins"
)

// announce hands one route to GoBGP. A route with the same prefix is replaced
// in place.
func (b *Backend) announce(ctx context.Context, r desired.Route) error {
	path, err := b.path(r)
	if err != nil {
		return fmt.Errorf("announce %s: %w", r.Prefix, err)
	}
	for addr, s := range b.sessions {
		shall, _ := s.sends(r)
		b.ledger.owe(addr, r.Prefix, shall)
	}
	if _, err := b.bgp.AddPath(ctx, &api.AddPathRequest{TableType: api.TableType_GLOBAL, Path: path}); err != nil {
		b.ledger.forgive(r.Prefix)
		return fmt.Errorf("announce %s: %w", r.Prefix, err)
	}
	return nil
}

// withdraw takes one route from GoBGP. A peer that was never told a restricted
// route sees a withdrawal of it too; RFC 4271 §3.1 has no trouble with that.
func (b *Backend) withdraw(ctx context.Context, r desired.Route) error {
	path, err := b.path(r)
	if err != nil {
		return fmt.Errorf("withdraw %s: %w", r.Prefix, err)
	}
	for addr, s := range b.sessions {
		told, _ := s.sends(r) // maybe only a moment ago
		b.ledger.owe(addr, r.Prefix, told)
	}
	if err := b.bgp.DeletePath(ctx, &api.DeletePathRequest{TableType: api.TableType_GLOBAL, Path: path}); err != nil {
		b.ledger.forgive(r.Prefix)
		return fmt.Errorf("withdraw %s: %w", r.Prefix, err)
	}
	return nil
}

// path puts a route into GoBGP's words, with the marks that the export policy
// looks for. The AS_PATH stays empty; GoBGP puts the own ASN in front of it
// for eBGP peers.
func (b *Backend) path(r desired.Route) (*api.Path, error) {
	family, hop := familyIPv4, netip.IPv4Unspecified()
	if r.Prefix.Addr().Is6() {
		family, hop = familyIPv6, netip.IPv6Unspecified()
	}
	if r.NextHop.IsValid() {
		hop = r.NextHop // else unspecified, which GoBGP replaces by the session's own
	}
	nlri, err := anypb.New(&api.IPAddressPrefix{Prefix: r.Prefix.Addr().String(), PrefixLen: uint32(r.Prefix.Bits())})
	if err != nil {
		return nil, err
	}
	// IGP says "known at its origin", which holds for an address of this host.
	attrs := []proto.Message{&api.OriginAttribute{Origin: 0}}
	if hop.Is4() {
		attrs = append(attrs, &api.NextHopAttribute{NextHop: hop.String()})
	} else {
		attrs = append(attrs, &api.MpReachNLRIAttribute{Family: family, NextHops: []string{hop.String()}, Nlris: []*anypb.Any{nlri}})
	}
	if r.MED != nil {
		attrs = append(attrs, &api.MultiExitDiscAttribute{Med: *r.MED})
	}
	if r.LocalPref != nil { // GoBGP keeps it from eBGP peers
		attrs = append(attrs, &api.LocalPrefAttribute{LocalPref: *r.LocalPref})
	}
	if len(r.Communities) > 0 {
		c := &api.CommunitiesAttribute{}
		for _, x := range r.Communities {
			c.Communities = append(c.Communities, uint32(x))
		}
		attrs = append(attrs, c)
	}
	if large := append(b.marks(r), r.Large...); len(large) > 0 {
		c := &api.LargeCommunitiesAttribute{}
		for _, x := range large {
			c.Communities = append(c.Communities, &api.LargeCommunity{GlobalAdmin: x.Global, LocalData1: x.Local1, LocalData2: x.Local2})
		}
		attrs = append(attrs, c)
	}
	p := &api.Path{Family: family, Nlri: nlri}
	for _, a := range attrs {
		packed, err := anypb.New(a)
		if err != nil {
			return nil, err
		}
		p.Pattrs = append(p.Pattrs, packed)
	}
	return p, nil
}

// marks are what the export policy must know of a route.
func (b *Backend) marks(r desired.Route) []plugins.LargeCommunity {
	var m []plugins.LargeCommunity
	add := func(kind, value uint32) {
		m = append(m, plugins.LargeCommunity{Global: markGlobal, Local1: kind, Local2: value})
	}
	for _, addr := range r.Only {
		add(markPeer, b.tag(addr))
	}
	if r.Prepend > 0 {
		add(markPrepend, uint32(r.Prepend))
	}
	switch {
	case r.NextHop.Is4():
		add(markNextHop, 4)
	case r.NextHop.Is6():
		add(markNextHop, 6)
	}
	return m
}

// tag gives the number that stands for a peer in marks, the same one for the
// life of this backend.
func (b *Backend) tag(addr netip.Addr) uint32 {
	t, ok := b.tags[addr]
	if !ok {
		t = uint32(len(b.tags) + 1)
		b.tags[addr] = t
	}
	return t
}

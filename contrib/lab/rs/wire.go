package rs

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/stentor-net/stentor/plugins"
)

const asTrans = 23456 // AS_TRANS (RFC 6793 §9)

// openMessage offers IPv4 and IPv6 unicast, IPv4 routes with IPv6 next hops
// (RFC 8950), four-octet ASNs and route refresh.
func openMessage(asn uint32, id netip.Addr, hold time.Duration) *bgp.BGPMessage {
	short := uint16(asTrans)
	if asn <= 0xffff {
		short = uint16(asn)
	}
	return bgp.NewBGPOpenMessage(short, uint16(hold/time.Second), id.String(), []bgp.OptionParameterInterface{
		bgp.NewOptionParameterCapability([]bgp.ParameterCapabilityInterface{
			bgp.NewCapMultiProtocol(bgp.RF_IPv4_UC),
			bgp.NewCapMultiProtocol(bgp.RF_IPv6_UC),
			bgp.NewCapExtendedNexthop([]*bgp.CapExtendedNexthopTuple{bgp.NewCapExtendedNexthopTuple(bgp.RF_IPv4_UC, bgp.AFI_IP6)}),
			bgp.NewCapFourOctetASNumber(asn),
			bgp.NewCapRouteRefresh(),
		}),
	})
}

// checkOpen looks at a neighbor's OPEN (RFC 4271 §6.2) and gives its Hold Time.
func checkOpen(o *bgp.BGPOpen, want uint32) (time.Duration, error) {
	wrong := func(subcode uint8, format string, args ...any) error {
		return bgp.NewMessageError(bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, subcode, nil, fmt.Sprintf(format, args...))
	}
	asn := uint32(o.MyAS)
	for _, p := range o.OptParams {
		caps, ok := p.(*bgp.OptionParameterCapability)
		if !ok {
			continue
		}
		for _, c := range caps.Capability {
			if four, ok := c.(*bgp.CapFourOctetASNumber); ok {
				asn = four.CapValue
			}
		}
	}
	switch {
	case o.Version != 4:
		return 0, wrong(bgp.BGP_ERROR_SUB_UNSUPPORTED_VERSION_NUMBER, "BGP version %d", o.Version)
	case asn != want:
		return 0, wrong(bgp.BGP_ERROR_SUB_BAD_PEER_AS, "neighbor says AS %d, want %d", asn, want)
	case o.HoldTime == 1 || o.HoldTime == 2:
		return 0, wrong(bgp.BGP_ERROR_SUB_UNACCEPTABLE_HOLD_TIME, "hold time %d s", o.HoldTime)
	case o.ID.IsUnspecified():
		return 0, wrong(bgp.BGP_ERROR_SUB_BAD_BGP_IDENTIFIER, "BGP Identifier %s", o.ID)
	}
	return time.Duration(o.HoldTime) * time.Second, nil
}

// update is the content of one UPDATE message.
type update struct {
	withdrawn []netip.Prefix
	announced []Route
}

func parseUpdate(m *bgp.BGPUpdate, internal bool) (update, error) {
	families := map[bgp.RouteFamily]bgp.BGPAddPathMode{bgp.RF_IPv4_UC: 0, bgp.RF_IPv6_UC: 0}
	if ok, err := bgp.ValidateUpdateMsg(m, families, !internal, false, false); !ok {
		return update{}, err
	}
	var u update
	for _, w := range m.WithdrawnRoutes {
		u.withdrawn = append(u.withdrawn, prefixOf(w))
	}
	r := Route{LocalPref: 100}
	var announced []netip.Prefix
	for _, n := range m.NLRI {
		announced = append(announced, prefixOf(n))
	}
	for _, a := range m.PathAttributes {
		switch a := a.(type) {
		case *bgp.PathAttributeMpReachNLRI:
			r.NextHop = addrOf(a.Nexthop)
			for _, n := range a.Value {
				announced = append(announced, prefixOf(n))
			}
		case *bgp.PathAttributeMpUnreachNLRI:
			for _, n := range a.Value {
				u.withdrawn = append(u.withdrawn, prefixOf(n))
			}
		case *bgp.PathAttributeNextHop:
			r.NextHop = addrOf(a.Value)
		case *bgp.PathAttributeAsPath:
			for _, segment := range a.Value {
				r.ASPath = append(r.ASPath, segment.GetAS()...)
			}
		case *bgp.PathAttributeOrigin:
			r.Origin = a.Value
		case *bgp.PathAttributeMultiExitDisc:
			r.MED = a.Value
		case *bgp.PathAttributeLocalPref:
			if internal { // RFC 4271 §5.1.5: ignored from an external neighbor
				r.LocalPref = a.Value
			}
		case *bgp.PathAttributeCommunities:
			for _, c := range a.Value {
				r.Communities = append(r.Communities, plugins.Community(c))
			}
		case *bgp.PathAttributeLargeCommunities:
			for _, c := range a.Values {
				r.LargeCommunities = append(r.LargeCommunities, plugins.LargeCommunity{Global: c.ASN, Local1: c.LocalData1, Local2: c.LocalData2})
			}
		}
	}
	for _, p := range announced {
		r.Prefix = p
		u.announced = append(u.announced, r)
	}
	return u, nil
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// prefixOf reads a prefix of a family that ValidateUpdateMsg let through.
func prefixOf(n bgp.AddrPrefixInterface) netip.Prefix {
	switch n := n.(type) {
	case *bgp.IPAddrPrefix:
		return netip.PrefixFrom(addrOf(n.Prefix), int(n.Length)).Masked()
	case *bgp.IPv6AddrPrefix:
		return netip.PrefixFrom(addrOf(n.Prefix), int(n.Length)).Masked()
	}
	return netip.Prefix{}
}

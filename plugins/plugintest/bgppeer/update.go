package bgppeer

import (
	"errors"
	"fmt"
	"net/netip"
)

// Update is an UPDATE message (RFC 4271 §4.3), the multiprotocol attributes
// (RFC 4760) unfolded.
type Update struct {
	Withdrawn []netip.Prefix // IPv4 and IPv6
	Announced []netip.Prefix
	Attributes
	// EndOfRIB is set when the message is an End-of-RIB marker (RFC 4724 §2),
	// for IPv4 or IPv6 unicast.
	EndOfRIB bool
}

// Attributes are the path attributes of an Update.
type Attributes struct {
	Origin           uint8
	ASPath           []uint32 // all segments, in order
	NextHop          netip.Addr
	MED              *uint32
	LocalPref        *uint32
	Communities      []uint32
	LargeCommunities [][3]uint32
	Types            []uint8 // the type codes of all attributes, in order
}

// Path attribute type codes (RFC 4271 §5, RFC 1997, RFC 4760, RFC 8092).
const (
	attrOrigin           = 1
	attrASPath           = 2
	attrNextHop          = 3
	attrMED              = 4
	attrLocalPref        = 5
	attrCommunities      = 8
	attrMPReach          = 14
	attrMPUnreach        = 15
	attrLargeCommunities = 32
)

// ParseUpdate reads the body of an UPDATE. as4 tells that both sides offered
// four-octet AS numbers (RFC 6793 §4.1). Unknown attributes are kept by type
// only; known ones must have exactly the form that their RFC gives.
func ParseUpdate(body []byte, as4 bool) (Update, error) {
	var u Update
	c := cursor{b: body}
	withdrawn := c.sub(int(c.u16()))
	attrs := c.sub(int(c.u16()))
	if c.err != nil {
		return Update{}, fmt.Errorf("UPDATE: %w", c.err)
	}
	u.EndOfRIB = len(body) == 4
	var err error
	if u.Withdrawn, err = prefixes(withdrawn.b, false); err != nil {
		return Update{}, fmt.Errorf("UPDATE: withdrawn routes: %w", err)
	}
	if u.Announced, err = prefixes(c.b, false); err != nil {
		return Update{}, fmt.Errorf("UPDATE: NLRI: %w", err)
	}
	for len(attrs.b) > 0 && attrs.err == nil {
		flags, code := attrs.u8(), attrs.u8()
		n := 0
		if flags&0x10 != 0 { // Extended Length
			n = int(attrs.u16())
		} else {
			n = int(attrs.u8())
		}
		value := attrs.take(n)
		if attrs.err != nil {
			break
		}
		for _, seen := range u.Types {
			if seen == code {
				return Update{}, fmt.Errorf("UPDATE: attribute %d stands twice", code)
			}
		}
		u.Types = append(u.Types, code)
		if err := u.attribute(code, value, as4); err != nil {
			return Update{}, fmt.Errorf("UPDATE: attribute %d: %w", code, err)
		}
	}
	if attrs.err != nil {
		return Update{}, fmt.Errorf("UPDATE: attributes: %w", attrs.err)
	}
	return u, nil
}

func (u *Update) attribute(code uint8, value []byte, as4 bool) error {
	c := cursor{b: value}
	switch code {
	case attrOrigin:
		if u.Origin = c.u8(); u.Origin > 2 {
			return fmt.Errorf("ORIGIN %d", u.Origin)
		}
	case attrASPath:
		for len(c.b) > 0 && c.err == nil {
			if kind := c.u8(); kind < 1 || kind > 4 {
				return fmt.Errorf("segment type %d", kind)
			}
			for range int(c.u8()) {
				if as4 {
					u.ASPath = append(u.ASPath, c.u32())
				} else {
					u.ASPath = append(u.ASPath, uint32(c.u16()))
				}
				if c.err != nil {
					break
				}
			}
		}
	case attrNextHop:
		u.NextHop, _ = netip.AddrFromSlice(c.take(4))
	case attrMED:
		v := c.u32()
		u.MED = &v
	case attrLocalPref:
		v := c.u32()
		u.LocalPref = &v
	case attrCommunities:
		for ok := true; ok; ok = len(c.b) > 0 && c.err == nil {
			u.Communities = append(u.Communities, c.u32())
		}
	case attrLargeCommunities:
		for ok := true; ok; ok = len(c.b) > 0 && c.err == nil {
			u.LargeCommunities = append(u.LargeCommunities, [3]uint32{c.u32(), c.u32(), c.u32()})
		}
	case attrMPReach:
		return u.mpReach(c)
	case attrMPUnreach:
		v6, err := family(&c)
		if err != nil {
			return err
		}
		p, err := prefixes(c.b, v6)
		u.Withdrawn = append(u.Withdrawn, p...)
		u.EndOfRIB = u.EndOfRIB || len(p) == 0
		return err
	default:
		return nil
	}
	if c.err == nil && len(c.b) > 0 {
		return fmt.Errorf("%d octets too many", len(c.b))
	}
	return c.err
}

// mpReach reads MP_REACH_NLRI (RFC 4760 §3), with an IPv6 next hop for IPv4
// too (RFC 8950 §3). A second, link-local next hop (RFC 2545 §3) is skipped.
func (u *Update) mpReach(c cursor) error {
	v6, err := family(&c)
	if err != nil {
		return err
	}
	n := int(c.u8())
	hop := c.take(n)
	c.u8() // reserved
	switch {
	case c.err != nil:
		return c.err
	case n == 4 && !v6, n == 16:
	case n == 32:
		hop = hop[:16]
	default:
		return fmt.Errorf("next hop of %d octets", n)
	}
	u.NextHop, _ = netip.AddrFromSlice(hop)
	p, err := prefixes(c.b, v6)
	u.Announced = append(u.Announced, p...)
	return err
}

// family reads AFI and SAFI, and takes unicast only.
func family(c *cursor) (v6 bool, err error) {
	afi, safi := c.u16(), c.u8()
	switch {
	case c.err != nil:
		return false, c.err
	case safi != 1 || afi < 1 || afi > 2:
		return false, fmt.Errorf("AFI %d SAFI %d", afi, safi)
	}
	return afi == 2, nil
}

// prefixes reads NLRI (RFC 4271 §4.3). Bits behind the length must be zero:
// they have no meaning, and a speaker that sends them did not mask.
func prefixes(b []byte, v6 bool) ([]netip.Prefix, error) {
	size := 4
	if v6 {
		size = 16
	}
	var out []netip.Prefix
	for c := (cursor{b: b}); len(c.b) > 0; {
		bits := int(c.u8())
		if bits > size*8 {
			return nil, fmt.Errorf("prefix length %d", bits)
		}
		full := make([]byte, size)
		copy(full, c.take((bits+7)/8))
		if c.err != nil {
			return nil, c.err
		}
		addr, _ := netip.AddrFromSlice(full)
		p := netip.PrefixFrom(addr, bits)
		if p != p.Masked() {
			return nil, errors.New("prefix " + p.String() + " has host bits")
		}
		out = append(out, p)
	}
	return out, nil
}

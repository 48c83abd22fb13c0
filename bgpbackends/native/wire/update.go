package wire

import (
	"encoding/binary"
	"net/netip"
)

// Path attribute type codes (IANA's registry) and flags (RFC 4271 §4.3).
const (
	attrOrigin           = 1
	attrASPath           = 2
	attrNextHop          = 3
	attrMED              = 4
	attrLocalPref        = 5
	attrCommunities      = 8
	attrMPReach          = 14
	attrMPUnreach        = 15
	attrAS4Path          = 17
	attrLargeCommunities = 32

	flagOptional   = 0x80
	flagTransitive = 0x40
	flagExtended   = 0x10

	asSequence = 2
)

// Attributes are those of one announcement.
type Attributes struct {
	// ASPath is one AS_SEQUENCE, the nearest AS first; empty within an AS.
	ASPath           []uint32
	NextHop          netip.Addr
	MED              *uint32
	LocalPref        *uint32
	Communities      []uint32
	LargeCommunities [][3]uint32
}

// Session is what decides how an UPDATE is written.
type Session struct {
	FourOctetAS bool
	Max         int // of a message: MaxLen or MaxExtendedLen
}

// AppendAnnounce appends UPDATEs for prefixes of one family that share the
// attributes: as few as they fit into.
func AppendAnnounce(b []byte, s Session, a *Attributes, f Family, prefixes []netip.Prefix) []byte {
	common := appendAttributes(nil, s, a)
	// Plain IPv4 stands in the NLRI field, which every peer reads.
	if f == IPv4 && a.NextHop.Is4() {
		nh := a.NextHop.As4()
		common = appendAttr(common, flagTransitive, attrNextHop, nh[:])
		for len(prefixes) > 0 {
			var start int
			b, start = begin(b, TypeUpdate)
			b = append(b, 0, 0)
			b = binary.BigEndian.AppendUint16(b, uint16(len(common)))
			b = append(b, common...)
			b, prefixes = appendPrefixes(b, prefixes, start+s.Max)
			b = end(b, start)
		}
		return b
	}
	nh := a.NextHop.As16()
	for len(prefixes) > 0 {
		var start int
		b, start = begin(b, TypeUpdate)
		b = append(b, 0, 0)
		total := len(b)
		b = append(b, 0, 0)
		b = append(b, flagOptional|flagExtended, attrMPReach)
		length := len(b)
		b = append(b, 0, 0, 0, byte(f), safiUnicast, 16)
		b = append(append(b, nh[:]...), 0)
		b, prefixes = appendPrefixes(b, prefixes, start+s.Max-len(common))
		binary.BigEndian.PutUint16(b[length:], uint16(len(b)-length-2))
		b = append(b, common...)
		binary.BigEndian.PutUint16(b[total:], uint16(len(b)-total-2))
		b = end(b, start)
	}
	return b
}

// AppendWithdraw appends UPDATEs that withdraw prefixes of one family.
func AppendWithdraw(b []byte, s Session, f Family, prefixes []netip.Prefix) []byte {
	for len(prefixes) > 0 {
		var start int
		b, start = begin(b, TypeUpdate)
		length := len(b)
		b = append(b, 0, 0)
		if f == IPv4 {
			b, prefixes = appendPrefixes(b, prefixes, start+s.Max-2)
			binary.BigEndian.PutUint16(b[length:], uint16(len(b)-length-2))
			b = append(b, 0, 0)
		} else {
			total := len(b)
			b = append(b, 0, 0, flagOptional|flagExtended, attrMPUnreach, 0, 0, 0, byte(f), safiUnicast)
			b, prefixes = appendPrefixes(b, prefixes, start+s.Max)
			binary.BigEndian.PutUint16(b[total+4:], uint16(len(b)-total-6))
			binary.BigEndian.PutUint16(b[total:], uint16(len(b)-total-2))
		}
		b = end(b, start)
	}
	return b
}

// AppendEndOfRIB appends the mark that all of a family was sent (RFC 4724 §2).
func AppendEndOfRIB(b []byte, f Family) []byte {
	b, start := begin(b, TypeUpdate)
	if f == IPv4 {
		b = append(b, 0, 0, 0, 0)
	} else {
		b = append(b, 0, 0, 0, 6, flagOptional, attrMPUnreach, 3, 0, byte(f), safiUnicast)
	}
	return end(b, start)
}

// appendPrefixes appends as many as fit below limit, and gives the rest.
func appendPrefixes(b []byte, prefixes []netip.Prefix, limit int) ([]byte, []netip.Prefix) {
	for i, p := range prefixes {
		n := (p.Bits() + 7) / 8
		if len(b)+1+n > limit {
			return b, prefixes[i:]
		}
		b = append(append(b, byte(p.Bits())), p.Addr().AsSlice()[:n]...)
	}
	return b, nil
}

// appendAttributes appends all but the next hop, by type code.
func appendAttributes(b []byte, s Session, a *Attributes) []byte {
	b = appendAttr(b, flagTransitive, attrOrigin, []byte{0}) // IGP
	b = appendAttr(b, flagTransitive, attrASPath, asPath(a.ASPath, s.FourOctetAS))
	if a.MED != nil {
		b = appendAttr(b, flagOptional, attrMED, binary.BigEndian.AppendUint32(nil, *a.MED))
	}
	if a.LocalPref != nil {
		b = appendAttr(b, flagTransitive, attrLocalPref, binary.BigEndian.AppendUint32(nil, *a.LocalPref))
	}
	if len(a.Communities) > 0 {
		var v []byte
		for _, c := range a.Communities {
			v = binary.BigEndian.AppendUint32(v, c)
		}
		b = appendAttr(b, flagOptional|flagTransitive, attrCommunities, v)
	}
	if !s.FourOctetAS && wide(a.ASPath) {
		b = appendAttr(b, flagOptional|flagTransitive, attrAS4Path, asPath(a.ASPath, true)) // RFC 6793 §4.2.2
	}
	if len(a.LargeCommunities) > 0 {
		var v []byte
		for _, c := range a.LargeCommunities {
			for _, part := range c {
				v = binary.BigEndian.AppendUint32(v, part)
			}
		}
		b = appendAttr(b, flagOptional|flagTransitive, attrLargeCommunities, v)
	}
	return b
}

func appendAttr(b []byte, flags, code byte, value []byte) []byte {
	if len(value) > 255 {
		b = append(b, flags|flagExtended, code)
		b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	} else {
		b = append(b, flags, code, byte(len(value)))
	}
	return append(b, value...)
}

// asPath is the value of AS_PATH or AS4_PATH.
func asPath(path []uint32, four bool) []byte {
	if len(path) == 0 {
		return nil
	}
	b := []byte{asSequence, byte(len(path))}
	for _, as := range path {
		switch {
		case four:
			b = binary.BigEndian.AppendUint32(b, as)
		case as < 1<<16:
			b = binary.BigEndian.AppendUint16(b, uint16(as))
		default:
			b = binary.BigEndian.AppendUint16(b, asTrans)
		}
	}
	return b
}

func wide(path []uint32) bool {
	for _, as := range path {
		if as >= 1<<16 {
			return true
		}
	}
	return false
}

// Counts are the prefixes that an UPDATE names.
type Counts struct{ Announced, Withdrawn int }

// CountUpdate counts what a peer's UPDATE says, and keeps nothing of it. Its
// attributes are of no use here, so only a message whose fields don't add up
// is a mistake; RFC 7606 §3 has that end the session.
func CountUpdate(body []byte) (Counts, error) {
	c, ok := countUpdate(body)
	if !ok {
		return c, fault(UpdateError, MalformedAttributes, nil, "the lengths in an UPDATE do not add up")
	}
	return c, nil
}

func countUpdate(body []byte) (c Counts, ok bool) {
	withdrawn, rest, ok := field(body)
	if !ok {
		return c, false
	}
	attributes, nlri, ok := field(rest)
	if !ok {
		return c, false
	}
	if c.Withdrawn, ok = countPrefixes(withdrawn, 32); !ok {
		return c, false
	}
	if c.Announced, ok = countPrefixes(nlri, 32); !ok {
		return c, false
	}
	for len(attributes) > 0 {
		code, value, more, ok := attribute(attributes)
		if !ok {
			return c, false
		}
		attributes = more
		switch code {
		case attrMPReach:
			if len(value) < 5 || len(value) < 5+int(value[3]) {
				return c, false
			}
			n, ok := countPrefixes(value[5+int(value[3]):], bitsOf(value))
			if !ok {
				return c, false
			}
			c.Announced += n
		case attrMPUnreach:
			if len(value) < 3 {
				return c, false
			}
			n, ok := countPrefixes(value[3:], bitsOf(value))
			if !ok {
				return c, false
			}
			c.Withdrawn += n
		}
	}
	return c, true
}

// field takes one that has its length before it (RFC 4271 §4.3).
func field(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if n > len(b)-2 {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

func attribute(b []byte) (code byte, value, rest []byte, ok bool) {
	if len(b) < 3 {
		return 0, nil, nil, false
	}
	head, n := 3, int(b[2])
	if b[0]&flagExtended != 0 {
		if len(b) < 4 {
			return 0, nil, nil, false
		}
		head, n = 4, int(binary.BigEndian.Uint16(b[2:]))
	}
	if n > len(b)-head {
		return 0, nil, nil, false
	}
	return b[1], b[head : head+n], b[head+n:], true
}

// bitsOf is the longest prefix of the family that an MP attribute names; 0 for
// one that was not asked for, whose prefixes can't be told apart.
func bitsOf(value []byte) int {
	if value[2] != safiUnicast {
		return 0
	}
	switch Family(binary.BigEndian.Uint16(value)) {
	case IPv4:
		return 32
	case IPv6:
		return 128
	}
	return 0
}

func countPrefixes(b []byte, longest int) (n int, ok bool) {
	if longest == 0 {
		return 0, true
	}
	for ; len(b) > 0; n++ {
		bits := int(b[0])
		size := 1 + (bits+7)/8
		if bits > longest || size > len(b) {
			return n, false
		}
		b = b[size:]
	}
	return n, true
}

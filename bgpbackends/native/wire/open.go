package wire

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// asTrans stands for an AS number of four octets where two fit (RFC 6793 §2).
const asTrans = 23456

// Capability codes (IANA's registry).
const (
	capMultiprotocol   = 1  // RFC 4760 §8
	capRouteRefresh    = 2  // RFC 2918 §2
	capExtendedNextHop = 5  // RFC 8950 §4
	capExtendedMessage = 6  // RFC 8654 §3
	capGracefulRestart = 64 // RFC 4724 §3
	capFourOctetAS     = 65 // RFC 6793 §3
	capEnhancedRefresh = 70 // RFC 7313 §3.1
)

// Open is an OPEN message (RFC 4271 §4.2) with the capabilities that matter to
// a speaker that announces only.
type Open struct {
	ASN  uint32
	Hold time.Duration // whole seconds
	ID   netip.Addr    // BGP Identifier
	// Families that the sender takes (RFC 4760); none at all means IPv4.
	Families        []Family
	RouteRefresh    bool
	EnhancedRefresh bool
	// ExtendedNextHop: IPv4 prefixes may have an IPv6 next hop.
	ExtendedNextHop bool
	ExtendedMessage bool
	FourOctetAS     bool
	Restart         *Restart
}

// Restart is the graceful restart capability (RFC 4724 §3).
type Restart struct {
	// Restarting is the R bit: the sender has just started again.
	Restarting bool
	Time       time.Duration // whole seconds, at most 4095
}

// Has reports whether the sender takes family f.
func (o *Open) Has(f Family) bool {
	if len(o.Families) == 0 {
		return f == IPv4
	}
	for _, have := range o.Families {
		if have == f {
			return true
		}
	}
	return false
}

// AppendOpen appends o as a message.
func AppendOpen(b []byte, o *Open) []byte {
	b, start := begin(b, TypeOpen)
	as := uint16(asTrans)
	if o.ASN < 1<<16 {
		as = uint16(o.ASN)
	}
	b = append(b, 4)
	b = binary.BigEndian.AppendUint16(b, as)
	b = binary.BigEndian.AppendUint16(b, uint16(o.Hold/time.Second))
	id := o.ID.As4()
	b = append(b, id[:]...)
	caps := o.capabilities()
	// One optional parameter of type 2 holds them all (RFC 5492 §4).
	b = append(b, byte(len(caps)+2), 2, byte(len(caps)))
	return end(append(b, caps...), start)
}

func (o *Open) capabilities() []byte {
	var b []byte
	add := func(code byte, value ...byte) { b = append(append(b, code, byte(len(value))), value...) }
	for _, f := range o.Families {
		add(capMultiprotocol, 0, byte(f), 0, safiUnicast)
	}
	if o.RouteRefresh {
		add(capRouteRefresh)
	}
	if o.ExtendedNextHop {
		add(capExtendedNextHop, 0, byte(IPv4), 0, safiUnicast, 0, byte(IPv6))
	}
	if o.ExtendedMessage {
		add(capExtendedMessage)
	}
	if r := o.Restart; r != nil {
		// The N bit (RFC 8538) stays clear: with it a helper would keep the
		// routes of a host that went silent. Each family's F bit goes with the
		// R bit: the addresses stay on the host while the speaker restarts, and
		// without it a helper drops the routes a moment before they are sent again.
		flags, family := uint16(r.Time/time.Second)&0x0fff, byte(0)
		if r.Restarting {
			flags, family = flags|0x8000, 0x80
		}
		value := binary.BigEndian.AppendUint16(nil, flags)
		for _, f := range o.Families {
			value = append(value, 0, byte(f), safiUnicast, family)
		}
		add(capGracefulRestart, value...)
	}
	if o.FourOctetAS {
		add(capFourOctetAS, binary.BigEndian.AppendUint32(nil, o.ASN)...)
	}
	if o.EnhancedRefresh {
		add(capEnhancedRefresh)
	}
	return b
}

// DecodeOpen reads the body of an OPEN strictly. Mistakes are a *Notification.
func DecodeOpen(body []byte) (*Open, error) {
	if body[0] != 4 {
		return nil, fault(OpenError, BadVersion, []byte{0, 4}, "the peer speaks BGP version %d", body[0])
	}
	hold := binary.BigEndian.Uint16(body[3:])
	o := &Open{
		ASN: uint32(binary.BigEndian.Uint16(body[1:])), Hold: time.Duration(hold) * time.Second,
		ID: netip.AddrFrom4([4]byte(body[5:9])),
	}
	if hold == 1 || hold == 2 {
		return nil, fault(OpenError, UnacceptableHoldTime, nil, "the peer offers a Hold Time of %d s", hold)
	}
	if o.ID.IsUnspecified() {
		return nil, fault(OpenError, BadIdentifier, nil, "the peer's BGP Identifier is 0.0.0.0")
	}
	params, wide, err := optionalParameters(body[9:])
	if err != nil {
		return nil, err
	}
	for len(params) > 0 {
		var kind byte
		var value []byte
		if kind, value, params, err = tlv(params, wide); err != nil {
			return nil, err
		}
		if kind != 2 {
			return nil, fault(OpenError, BadOptionalParameter, nil, "the OPEN has an optional parameter of type %d", kind)
		}
		for len(value) > 0 {
			var code byte
			var data []byte
			if code, data, value, err = tlv(value, false); err != nil {
				return nil, err
			}
			if err := o.capability(code, data); err != nil {
				return nil, err
			}
		}
	}
	if o.ASN == 0 {
		return nil, fault(OpenError, BadPeerAS, nil, "the peer's AS number is 0") // RFC 7607 §2
	}
	return o, nil
}

// optionalParameters gives them, and whether their lengths have two octets
// (RFC 9072 §2).
func optionalParameters(b []byte) (params []byte, wide bool, err error) {
	length, rest := int(b[0]), b[1:]
	if length == 255 && len(rest) >= 3 && rest[0] == 255 {
		length, rest, wide = int(binary.BigEndian.Uint16(rest[1:])), rest[3:], true
	}
	if length != len(rest) {
		return nil, false, fault(OpenError, 0, nil, "the OPEN's optional parameters are %d bytes, and %d are announced", len(rest), length)
	}
	return rest, wide, nil
}

func tlv(b []byte, wide bool) (kind byte, value, rest []byte, err error) {
	head := 2
	if wide {
		head = 3
	}
	if len(b) < head {
		return 0, nil, nil, fault(OpenError, 0, nil, "the OPEN ends within a parameter")
	}
	length := int(b[1])
	if wide {
		length = int(binary.BigEndian.Uint16(b[1:]))
	}
	if length > len(b)-head {
		return 0, nil, nil, fault(OpenError, 0, nil, "a parameter is longer than the OPEN")
	}
	return b[0], b[head : head+length], b[head+length:], nil
}

// capability takes in one capability; those that don't matter here are skipped
// (RFC 5492 §3).
func (o *Open) capability(code byte, v []byte) error {
	bad := func() error {
		return fault(OpenError, 0, nil, "capability %d has a length of %d", code, len(v))
	}
	switch code {
	case capMultiprotocol:
		if len(v) != 4 {
			return bad()
		}
		f := Family(binary.BigEndian.Uint16(v))
		if v[3] == safiUnicast && (f == IPv4 || f == IPv6) && (len(o.Families) == 0 || !o.Has(f)) {
			o.Families = append(o.Families, f)
		}
	case capRouteRefresh:
		o.RouteRefresh = true
	case capEnhancedRefresh:
		o.EnhancedRefresh = true
	case capExtendedMessage:
		o.ExtendedMessage = true
	case capExtendedNextHop:
		if len(v)%6 != 0 {
			return bad()
		}
		for ; len(v) > 0; v = v[6:] {
			if Family(binary.BigEndian.Uint16(v)) == IPv4 && v[3] == safiUnicast && Family(binary.BigEndian.Uint16(v[4:])) == IPv6 {
				o.ExtendedNextHop = true
			}
		}
	case capFourOctetAS:
		if len(v) != 4 {
			return bad()
		}
		o.FourOctetAS, o.ASN = true, binary.BigEndian.Uint32(v)
	case capGracefulRestart:
		if len(v) < 2 || (len(v)-2)%4 != 0 {
			return bad()
		}
		flags := binary.BigEndian.Uint16(v)
		o.Restart = &Restart{Restarting: flags&0x8000 != 0, Time: time.Duration(flags&0x0fff) * time.Second}
	}
	return nil
}

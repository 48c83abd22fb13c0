package bgppeer

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"
)

// message puts the header before a body (RFC 4271 §4.1).
func message(kind uint8, body []byte) []byte {
	m := make([]byte, headerLen+len(body))
	for i := range 16 {
		m[i] = 0xff
	}
	binary.BigEndian.PutUint16(m[16:], uint16(len(m)))
	m[18] = kind
	copy(m[headerLen:], body)
	return m
}

// open builds the OPEN that cfg describes.
func open(cfg Config) []byte {
	var caps bytes.Buffer
	add := func(code uint8, value ...byte) {
		caps.Write([]byte{code, uint8(len(value))})
		caps.Write(value)
	}
	if !cfg.NoIPv4 {
		add(CapMultiprotocol, 0, 1, 0, 1)
	}
	if !cfg.NoIPv6 {
		add(CapMultiprotocol, 0, 2, 0, 1)
	}
	add(CapRouteRefresh)
	if !cfg.NoExtendedNextHop {
		add(CapExtendedNextHop, 0, 1, 0, 1, 0, 2)
	}
	if cfg.GracefulRestart > 0 {
		flags := uint16(cfg.GracefulRestart/time.Second) & 0x0fff
		add(CapGracefulRestart, uint8(flags>>8), uint8(flags), 0, 1, 1, 0, 0, 2, 1, 0)
	}
	as2 := uint16(cfg.ASN)
	if !cfg.NoFourOctetAS {
		add(CapFourOctetAS, binary.BigEndian.AppendUint32(nil, cfg.ASN)...)
		if cfg.ASN > 0xffff {
			as2 = asTrans
		}
	}
	body := []byte{4}
	body = binary.BigEndian.AppendUint16(body, as2)
	body = binary.BigEndian.AppendUint16(body, uint16(cfg.Hold/time.Second))
	id := cfg.RouterID.As4()
	body = append(body, id[:]...)
	body = append(body, uint8(caps.Len()+2), 2, uint8(caps.Len()))
	return message(typeOpen, append(body, caps.Bytes()...))
}

// Keepalive is a KEEPALIVE message.
func Keepalive() []byte { return message(typeKeepalive, nil) }

// Cease is a NOTIFICATION with code 6. text is the shutdown communication of
// RFC 9003, left out when empty.
func Cease(subcode uint8, text string) []byte {
	body := []byte{6, subcode}
	if text != "" {
		body = append(append(body, uint8(len(text))), text...)
	}
	return message(typeNotification, body)
}

// Error is a NOTIFICATION without data.
func Error(code, subcode uint8) []byte {
	return message(typeNotification, []byte{code, subcode})
}

// BadMarker is a KEEPALIVE whose marker is not all ones (RFC 4271 §6.1).
func BadMarker() []byte {
	m := Keepalive()
	m[0] = 0
	return m
}

// BadLength is a header of a KEEPALIVE that claims n octets (RFC 4271 §6.1).
func BadLength(n uint16) []byte {
	m := Keepalive()
	binary.BigEndian.PutUint16(m[16:], n)
	return m
}

// UnknownType is a message of a type that no RFC knows (RFC 4271 §6.1).
func UnknownType() []byte { return message(9, nil) }

// TruncatedOpen is an OPEN whose parameters run over its end (RFC 4271 §6.2).
func TruncatedOpen(cfg Config) []byte {
	m := open(cfg.filled())
	m[headerLen+9] += 40
	return m
}

// OpenWithHold is an OPEN with a Hold Time that need not be allowed (RFC 4271
// §4.2), in seconds.
func OpenWithHold(cfg Config, seconds uint16) []byte {
	cfg.Hold = time.Duration(seconds) * time.Second
	return open(cfg.filled())
}

// LongOrigin is an UPDATE whose ORIGIN has three octets (RFC 7606 §7.1).
func LongOrigin(cfg Config) []byte {
	attrs := []byte{0x40, attrOrigin, 3, 0, 0, 0}
	attrs = append(attrs, commonAttributes(cfg)[4:]...)
	return update(attrs, netip.MustParsePrefix("20.0.0.0/24"))
}

// commonAttributes are ORIGIN, AS_PATH and NEXT_HOP of a route of cfg's own.
func commonAttributes(cfg Config) []byte {
	attrs := []byte{0x40, attrOrigin, 1, 0}
	if cfg.NoFourOctetAS {
		attrs = append(attrs, 0x40, attrASPath, 4, 2, 1)
		attrs = binary.BigEndian.AppendUint16(attrs, uint16(cfg.ASN))
	} else {
		attrs = append(attrs, 0x40, attrASPath, 6, 2, 1)
		attrs = binary.BigEndian.AppendUint32(attrs, cfg.ASN)
	}
	hop := netip.AddrFrom4([4]byte{192, 0, 2, 1}).As4()
	return append(append(attrs, 0x40, attrNextHop, 4), hop[:]...)
}

// update builds an UPDATE with IPv4 NLRI.
func update(attrs []byte, nlri ...netip.Prefix) []byte {
	body := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(len(attrs)))
	body = append(body, attrs...)
	for _, p := range nlri {
		a := p.Addr().As4()
		body = append(append(body, uint8(p.Bits())), a[:(p.Bits()+7)/8]...)
	}
	return message(typeUpdate, body)
}

// routes builds the UPDATEs for n IPv4 routes: 20.0.0.0/24, 20.0.1.0/24 and so on.
func routes(cfg Config, n int) []byte {
	const perMessage = 900 // of 4 octets each, below maxMessage
	attrs := commonAttributes(cfg)
	var out []byte
	for first := 0; first < n; first += perMessage {
		var nlri []netip.Prefix
		for i := first; i < min(first+perMessage, n); i++ {
			a := netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), 0})
			nlri = append(nlri, netip.PrefixFrom(a, 24))
		}
		out = append(out, update(attrs, nlri...)...)
	}
	return out
}

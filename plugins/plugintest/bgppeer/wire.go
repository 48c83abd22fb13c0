package bgppeer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Message types (RFC 4271 §4.1, RFC 2918 §3).
const (
	typeOpen         = 1
	typeUpdate       = 2
	typeNotification = 3
	typeKeepalive    = 4
	typeRouteRefresh = 5
)

const (
	headerLen  = 19
	maxMessage = 4096
)

// Capability codes that this package knows.
const (
	CapMultiprotocol   = 1  // RFC 4760
	CapRouteRefresh    = 2  // RFC 2918
	CapExtendedNextHop = 5  // RFC 8950
	CapGracefulRestart = 64 // RFC 4724
	CapFourOctetAS     = 65 // RFC 6793
)

// asTrans stands in two-octet fields for an AS number that needs four (RFC 6793 §9).
const asTrans = 23456

// Open is an OPEN message (RFC 4271 §4.2).
type Open struct {
	ASN          uint32 // of the four-octet capability where there is one
	Hold         time.Duration
	RouterID     netip.Addr
	Capabilities []Capability // in the order of the message
}

// Capability is one capability of an OPEN (RFC 5492 §4).
type Capability struct {
	Code  uint8
	Value []byte
}

// Capability gives the value of the first capability with that code.
func (o Open) Capability(code uint8) ([]byte, bool) {
	for _, c := range o.Capabilities {
		if c.Code == code {
			return c.Value, true
		}
	}
	return nil, false
}

// Notification is a NOTIFICATION message (RFC 4271 §4.5).
type Notification struct {
	Code, Subcode uint8
	Data          []byte
}

// errShort is the cause of every field that runs over the end of its message.
var errShort = errors.New("message ends inside a field")

// cursor reads big-endian fields and remembers the first overrun.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) take(n int) []byte {
	if c.err != nil || n > len(c.b) {
		c.err = errShort
		return make([]byte, n)
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) u8() uint8   { return c.take(1)[0] }
func (c *cursor) u16() uint16 { return binary.BigEndian.Uint16(c.take(2)) }
func (c *cursor) u32() uint32 { return binary.BigEndian.Uint32(c.take(4)) }

// sub takes n octets as a cursor of their own.
func (c *cursor) sub(n int) cursor {
	v := c.take(n)
	return cursor{b: v, err: c.err}
}

// ParseOpen reads the body of an OPEN.
func ParseOpen(body []byte) (Open, error) {
	c := cursor{b: body}
	if v := c.u8(); c.err == nil && v != 4 {
		return Open{}, fmt.Errorf("OPEN: version %d", v)
	}
	o := Open{ASN: uint32(c.u16())}
	o.Hold = time.Duration(c.u16()) * time.Second
	o.RouterID, _ = netip.AddrFromSlice(c.take(4))
	params := c.sub(int(c.u8()))
	if c.err == nil && len(c.b) > 0 {
		return Open{}, fmt.Errorf("OPEN: %d octets after the parameters", len(c.b))
	}
	for params.err == nil && len(params.b) > 0 {
		kind := params.u8()
		caps := params.sub(int(params.u8()))
		if kind != 2 {
			return Open{}, fmt.Errorf("OPEN: parameter type %d", kind)
		}
		for caps.err == nil && len(caps.b) > 0 {
			code := caps.u8()
			o.Capabilities = append(o.Capabilities, Capability{Code: code, Value: caps.take(int(caps.u8()))})
		}
		params.err = errors.Join(params.err, caps.err)
	}
	if err := errors.Join(c.err, params.err); err != nil {
		return Open{}, fmt.Errorf("OPEN: %w", err)
	}
	if v, ok := o.Capability(CapFourOctetAS); ok {
		if len(v) != 4 {
			return Open{}, fmt.Errorf("OPEN: four-octet AS capability of %d octets", len(v))
		}
		o.ASN = binary.BigEndian.Uint32(v)
	}
	return o, nil
}

// ParseNotification reads the body of a NOTIFICATION.
func ParseNotification(body []byte) (Notification, error) {
	c := cursor{b: body}
	n := Notification{Code: c.u8(), Subcode: c.u8()}
	n.Data = c.b
	if c.err != nil {
		return Notification{}, fmt.Errorf("NOTIFICATION: %w", c.err)
	}
	return n, nil
}

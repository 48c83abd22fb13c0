// Package wire encodes and decodes BGP messages for a speaker that announces
// and takes nothing in. It does no I/O but reading one message.
package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Type is a message type (RFC 4271 §4.1, RFC 2918 §3).
type Type uint8

// The message types.
const (
	TypeOpen         Type = 1
	TypeUpdate       Type = 2
	TypeNotification Type = 3
	TypeKeepalive    Type = 4
	TypeRouteRefresh Type = 5
)

func (t Type) String() string {
	switch t {
	case TypeOpen:
		return "OPEN"
	case TypeUpdate:
		return "UPDATE"
	case TypeNotification:
		return "NOTIFICATION"
	case TypeKeepalive:
		return "KEEPALIVE"
	case TypeRouteRefresh:
		return "ROUTE-REFRESH"
	}
	return fmt.Sprintf("message of type %d", uint8(t))
}

// KeepaliveLen is the length of a KEEPALIVE, the shortest message (RFC 4271 §4.4).
const KeepaliveLen = headerLen

const (
	headerLen = 19
	// MaxLen is the longest message (RFC 4271 §4.1), and MaxExtendedLen the
	// longest one where both sides offered that (RFC 8654 §4).
	MaxLen         = 4096
	MaxExtendedLen = 65535
)

// minLen is the shortest message of each type (RFC 4271 §6.1, RFC 2918 §3).
var minLen = map[Type]int{
	TypeOpen: 29, TypeUpdate: 23, TypeNotification: 21, TypeKeepalive: 19, TypeRouteRefresh: 23,
}

// Reader reads the messages of one session. It keeps one buffer, which grows
// to the longest message that came, and no more than Max.
type Reader struct {
	r    io.Reader
	head [headerLen]byte // here, as one of Next's own would be new memory for each message
	buf  []byte
	// Max is the longest message that is let in: MaxLen, or MaxExtendedLen.
	Max int
}

// NewReader reads from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r, Max: MaxLen} }

// Next gives the next message's body, which is valid until the call after
// this. What is wrong with a header is a *Notification to send.
func (r *Reader) Next() (Type, []byte, error) {
	head := r.head[:]
	if _, err := io.ReadFull(r.r, head); err != nil {
		return 0, nil, err
	}
	for _, b := range head[:16] {
		if b != 0xff {
			return 0, nil, fault(HeaderError, NotSynchronized, nil, "the marker is not all ones")
		}
	}
	length, t := int(binary.BigEndian.Uint16(head[16:])), Type(head[18])
	shortest, known := minLen[t]
	if !known {
		return 0, nil, fault(HeaderError, BadMessageType, head[18:19], "there is no message type %d", uint8(t))
	}
	longest := r.Max
	if t == TypeOpen || t == TypeKeepalive { // RFC 8654 §4: these stay short
		longest = MaxLen
	}
	if length < shortest || length > longest || t == TypeKeepalive && length != headerLen {
		return 0, nil, fault(HeaderError, BadMessageLength, head[16:18], "%s of %d bytes", t, length)
	}
	n := length - headerLen
	if cap(r.buf) < n {
		r.buf = make([]byte, n)
	}
	body := r.buf[:n]
	if _, err := io.ReadFull(r.r, body); err != nil {
		return 0, nil, err
	}
	return t, body, nil
}

// begin appends the header of a message of type t, and end sets its length,
// which the bytes since start make up.
func begin(b []byte, t Type) (out []byte, start int) {
	start = len(b)
	for range 16 {
		b = append(b, 0xff)
	}
	return append(b, 0, 0, byte(t)), start
}

func end(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+16:], uint16(len(b)-start))
	return b
}

// AppendKeepalive appends a KEEPALIVE.
func AppendKeepalive(b []byte) []byte {
	b, start := begin(b, TypeKeepalive)
	return end(b, start)
}

// Family is an address family with SAFI 1, unicast.
type Family uint16

// The families (IANA's Address Family Numbers).
const (
	IPv4 Family = 1
	IPv6 Family = 2
)

const safiUnicast = 1

func (f Family) String() string {
	if f == IPv4 {
		return "IPv4"
	}
	return "IPv6"
}

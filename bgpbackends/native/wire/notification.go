package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Code is the error code of a NOTIFICATION (RFC 4271 §4.5, RFC 7313 §5).
type Code uint8

// The error codes.
const (
	HeaderError     Code = 1
	OpenError       Code = 2
	UpdateError     Code = 3
	HoldTimeExpired Code = 4
	FSMError        Code = 5
	Cease           Code = 6
	RefreshError    Code = 7
)

// Subcodes that this speaker sends or tells apart.
const (
	NotSynchronized  = 1 // of HeaderError
	BadMessageLength = 2
	BadMessageType   = 3

	BadVersion            = 1 // of OpenError
	BadPeerAS             = 2
	BadIdentifier         = 3
	BadOptionalParameter  = 4
	UnacceptableHoldTime  = 6
	UnsupportedCapability = 7

	MalformedAttributes = 1 // of UpdateError

	UnexpectedInOpenSent    = 1 // of FSMError, RFC 6608 §3
	UnexpectedInOpenConfirm = 2
	UnexpectedInEstablished = 3

	AdminShutdown    = 2 // of Cease, RFC 4486 §4
	PeerDeconfigured = 3
	AdminReset       = 4
	OutOfResources   = 8
	BFDDown          = 10 // RFC 9384 §3

	InvalidRefreshLength = 1 // of RefreshError
)

// Notification is the message that ends a session. As an error, it is one that
// is to be sent to the peer.
type Notification struct {
	Code    Code
	Subcode uint8
	Data    []byte
	why     string // of our own, for people
}

func fault(c Code, subcode uint8, data []byte, why string, args ...any) *Notification {
	return &Notification{Code: c, Subcode: subcode, Data: append([]byte(nil), data...), why: fmt.Sprintf(why, args...)}
}

// Fault is a NOTIFICATION with a reason for people.
func Fault(c Code, subcode uint8, why string, args ...any) *Notification {
	return fault(c, subcode, nil, why, args...)
}

// Error says what is wrong, and how the peer is told.
func (n *Notification) Error() string {
	if n.why == "" {
		return n.String()
	}
	return n.why + ": NOTIFICATION " + n.String()
}

// codeNames are those of IANA's registry of BGP error codes.
var codeNames = map[Code]string{
	HeaderError: "message header error", OpenError: "OPEN message error", UpdateError: "UPDATE message error",
	HoldTimeExpired: "hold timer expired", FSMError: "finite state machine error", Cease: "cease", RefreshError: "ROUTE-REFRESH message error",
}

// subcodeNames are those of IANA's registry, lower case.
var subcodeNames = map[Code][]string{
	HeaderError: {1: "connection not synchronized", 2: "bad message length", 3: "bad message type"},
	OpenError: {1: "unsupported version number", 2: "bad peer AS", 3: "bad BGP identifier", 4: "unsupported optional parameter",
		6: "unacceptable hold time", 7: "unsupported capability", 8: "role mismatch"},
	UpdateError: {1: "malformed attribute list", 2: "unrecognized well-known attribute", 3: "missing well-known attribute", 4: "attribute flags error",
		5: "attribute length error", 6: "invalid ORIGIN attribute", 8: "invalid NEXT_HOP attribute", 9: "optional attribute error", 10: "invalid network field", 11: "malformed AS_PATH"},
	FSMError: {1: "unexpected message in OpenSent", 2: "unexpected message in OpenConfirm", 3: "unexpected message in Established"},
	Cease: {1: "maximum number of prefixes reached", 2: "administrative shutdown", 3: "peer de-configured", 4: "administrative reset", 5: "connection rejected",
		6: "other configuration change", 7: "connection collision resolution", 8: "out of resources", 9: "hard reset", 10: "BFD down"},
	RefreshError: {1: "invalid message length"},
}

// String is "6/2 (cease: administrative shutdown): TEXT" with the peer's own
// words, if it sent some.
func (n *Notification) String() string {
	name := codeNames[n.Code]
	if name == "" {
		name = "unknown error code"
	}
	if subs := subcodeNames[n.Code]; int(n.Subcode) < len(subs) && subs[n.Subcode] != "" {
		name += ": " + subs[n.Subcode]
	}
	s := fmt.Sprintf("%d/%d (%s)", n.Code, n.Subcode, name)
	if text := n.Communication(); text != "" {
		s += ": " + text
	}
	return s
}

// Communication is what a person at the other end wrote (RFC 9003 §2), made
// safe for a terminal.
func (n *Notification) Communication() string {
	if n.Code != Cease || n.Subcode != AdminShutdown && n.Subcode != AdminReset || len(n.Data) == 0 {
		return ""
	}
	length := int(n.Data[0])
	if length > len(n.Data)-1 {
		return ""
	}
	text := n.Data[1 : 1+length]
	if !utf8.Valid(text) {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, string(text))
}

// DecodeNotification reads the body of one. Any is well-formed.
func DecodeNotification(body []byte) *Notification {
	return &Notification{Code: Code(body[0]), Subcode: body[1], Data: append([]byte(nil), body[2:]...)}
}

// AppendNotification appends n as a message. Data that would not fit is cut.
func AppendNotification(b []byte, n *Notification) []byte {
	b, start := begin(b, TypeNotification)
	b = append(b, byte(n.Code), n.Subcode)
	b = append(b, n.Data[:min(len(n.Data), MaxLen-headerLen-2)]...)
	return end(b, start)
}

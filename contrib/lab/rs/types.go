package rs

import (
	"net/netip"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// Route is a prefix as one neighbor announced it.
type Route struct {
	Prefix           netip.Prefix
	NextHop          netip.Addr
	From             netip.Addr // the neighbor
	ASPath           []uint32
	Origin           uint8 // RFC 4271 §5.1.1
	Communities      []plugins.Community
	LargeCommunities []plugins.LargeCommunity
	MED              uint32 // 0 when none was sent (RFC 4271 §9.1.2.2 c)
	LocalPref        uint32 // as the import policy set it
	Best             bool
	Since            time.Time
}

// Session is the state of one neighbor.
type Session struct {
	Peer  netip.Addr
	State plugins.SessionState
	Since time.Time // when State was entered
	// Established counts the sessions that came up, and Updates the UPDATE
	// messages of all of them.
	Established int
	Updates     int
	LastError   string // why the last session ended, or none came up
}

// The states that a server which never dials shows to the outside.
const (
	StateActive      = plugins.StateActive
	StateEstablished = plugins.StateEstablished
)

// Event is one thing that a neighbor did.
type Event struct {
	Time   time.Time
	Peer   netip.Addr
	Kind   EventKind
	Prefix netip.Prefix // of Update and Withdraw
	Route  *Route       // of Update, before the import policy
	Detail string       // of Down and Refused: why
}

// EventKind says what happened.
type EventKind string

// The kinds of Event.
const (
	Established EventKind = "established" // the session is up
	Update      EventKind = "update"      // a prefix was announced, or its attributes changed
	Withdraw    EventKind = "withdraw"    // a prefix was withdrawn in so many words
	Down        EventKind = "down"        // the session ended, and its routes with it
	Refused     EventKind = "refused"     // no session came up
)

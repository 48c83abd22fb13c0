package gobgp

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/stentor-net/stentor/plugins"
)

// notificationNames are the error codes of RFC 4271 §4.5.
var notificationNames = map[uint8]string{
	bgp.BGP_ERROR_MESSAGE_HEADER_ERROR:        "Message Header Error",
	bgp.BGP_ERROR_OPEN_MESSAGE_ERROR:          "OPEN Message Error",
	bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR:        "UPDATE Message Error",
	bgp.BGP_ERROR_HOLD_TIMER_EXPIRED:          "Hold Timer Expired",
	bgp.BGP_ERROR_FSM_ERROR:                   "Finite State Machine Error",
	bgp.BGP_ERROR_CEASE:                       "Cease",
	bgp.BGP_ERROR_ROUTE_REFRESH_MESSAGE_ERROR: "ROUTE-REFRESH Message Error",
}

// subcodeNames are the subcodes that a person meets, with what to look at:
// RFC 4271 §6.1-6.3, RFC 4486 §3 and §4, RFC 8538 §3, RFC 9384 §3.
var subcodeNames = map[[2]uint8]string{
	{1, 1}:  "Connection Not Synchronized",
	{1, 2}:  "Bad Message Length",
	{1, 3}:  "Bad Message Type",
	{2, 1}:  "Unsupported Version Number",
	{2, 2}:  "Bad Peer AS; check the AS numbers on both sides",
	{2, 3}:  "Bad BGP Identifier; check that the router IDs differ",
	{2, 4}:  "Unsupported Optional Parameter",
	{2, 6}:  "Unacceptable Hold Time",
	{2, 7}:  "Unsupported Capability",
	{3, 1}:  "Malformed Attribute List",
	{3, 8}:  "Invalid NEXT_HOP Attribute",
	{3, 10}: "Invalid Network Field",
	{3, 11}: "Malformed AS_PATH",
	{4, 0}:  "no KEEPALIVE came within the Hold Time",
	{6, 1}:  "Maximum Number of Prefixes Reached",
	{6, 2}:  "Administrative Shutdown",
	{6, 3}:  "Peer De-configured",
	{6, 4}:  "Administrative Reset",
	{6, 5}:  "Connection Rejected",
	{6, 6}:  "Other Configuration Change",
	{6, 7}:  "Connection Collision Resolution",
	{6, 8}:  "Out of Resources",
	{6, 9}:  "Hard Reset",
	{6, 10}: "BFD Down",
}

// notificationWords names a NOTIFICATION: "Cease: Administrative Shutdown (6/2)".
func notificationWords(code, subcode uint8) string {
	name, ok := notificationNames[code]
	if !ok {
		return fmt.Sprintf("unknown error (%d/%d)", code, subcode)
	}
	if sub, ok := subcodeNames[[2]uint8{code, subcode}]; ok {
		name += ": " + sub
	}
	return fmt.Sprintf("%s (%d/%d)", name, code, subcode)
}

// reasonWords turns GoBGP's reason of a state change into a sentence for
// people. from is the state that was left.
func reasonWords(from plugins.SessionState, reason string) string {
	switch {
	case reason == "hold-timer-expired":
		return "no KEEPALIVE from the peer within the Hold Time"
	case reason == "read-failed" && from == plugins.StateEstablished:
		return "the peer closed the connection"
	case reason == "read-failed":
		return "the peer closed the connection before the session was up; it may not know this host as a neighbour"
	case reason == "write-failed":
		return "sending to the peer failed"
	case reason == "invalid-msg" && from != plugins.StateEstablished:
		// GoBGP drops the NOTIFICATION that a peer sends before the session
		// is up without saying what was in it.
		return "the peer refused our OPEN; check the AS numbers and router IDs on both sides"
	case reason == "graceful-restart":
		return "the connection was lost"
	case strings.HasPrefix(reason, "notification-"):
		return strings.Replace(reason, "-", " ", 1)
	}
	return strings.ReplaceAll(reason, "-", " ")
}

// dialWords tells why a connection did not come up, and whether the far side
// (or a router before it) said so; false means silence.
func dialWords(err error) (words string, answered bool) {
	var timeout net.Error
	var errno syscall.Errno
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return "", false
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens on the peer's port 179, or a firewall rejects it", true
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "the local address is not on this host", true
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to the peer", true
	case errors.As(err, &errno):
		return "connect: " + errno.Error(), true
	}
	return "connect: " + err.Error(), true
}

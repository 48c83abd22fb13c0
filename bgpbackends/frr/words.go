package frr

import (
	"fmt"

	"github.com/stentor-net/stentor/plugins"
)

// why tells why there is no session with a peer.
func (n *neighbor) why(p plugins.Peer) string {
	switch {
	case n.Admin:
		return "an administrator shut it down in FRR (neighbor " + p.Addr.String() + " shutdown)"
	case n.ResetCause == "Waiting for NHT":
		return "FRR has no route to " + p.Addr.String() + " that it may use: the default route counts only with `ip nht resolve-via-default`; set resolve_via_default = true in [backend.frr]"
	case n.ResetCause == "No AFI/SAFI activated for peer":
		// What FRR says of every neighbor that is new. It starts no session
		// while route-maps that came with it wait for their 5 s.
		return "the session is about to be started"
	case n.Reason != "" && n.ResetCause == "BGP Notification received":
		return "the peer sent " + n.Reason
	case n.Reason != "" && n.ResetCause == "BGP Notification send":
		return "we sent " + n.Reason
	case n.ResetCause == "" || n.ResetCause == "Waiting for peer OPEN":
		text := fmt.Sprintf("no answer from %s port 179", p.Addr)
		if p.Password != "" {
			return text + ": check the password, the address and firewalls"
		}
		return text + ": check the address, firewalls, and whether the peer wants a password"
	}
	return n.ResetCause
}

package frr

import (
	"fmt"

	"github.com/stentor-net/stentor/plugins"
)

// why tells why there is no session with a peer.
func (n *neighbor) why(p plugins.Peer, asn uint32) string {
	noRoute := n.ResetCause == "Waiting for NHT" || n.ResetCause == "No path to specified Neighbor" // the latter since FRR 10
	switch {
	case n.Admin:
		return "an administrator shut it down in FRR (neighbor " + p.Addr.String() + " shutdown)"
	case noRoute && p.ASN != asn && p.TTL <= 1 && p.TTLSecurity <= 1:
		return "FRR has no network with " + p.Addr.String() + " in it on a link that is up; for a peer that is not on a link of this host set ttl in [bgp.peer." + p.Name + "]"
	case noRoute:
		return "FRR has no route to " + p.Addr.String() + " that it may use: the default route counts only with `ip nht resolve-via-default`; set resolve_via_default = true in [backend.frr]"
	case n.ResetCause == "No AFI/SAFI activated for peer":
		// What FRR says of every neighbor that is new. It starts no session for
		// a second after it was made, and for some more after FRR's own start.
		return "the session is about to be started"
	case n.ended() != "":
		return n.ended()
	case n.ResetCause == "" || n.ResetCause == "Waiting for peer OPEN":
		text := fmt.Sprintf("no answer from %s port 179", p.Addr)
		if p.Password != "" {
			return text + ": check the password, the address and firewalls"
		}
		return text + ": check the address, firewalls, and whether the peer wants a password"
	}
	return n.ResetCause
}

// ended tells why the last session ended, if there was one and it is of interest.
func (n *neighbor) ended() string {
	switch n.ResetCause {
	case "BGP Notification received":
		if n.Text != "" {
			return fmt.Sprintf("the peer sent %s: %q", n.Reason, n.Text)
		}
		return "the peer sent " + n.Reason
	case "BGP Notification send":
		return "we sent " + n.Reason
	case "BFD down received", "Peer closed the session":
		return n.ResetCause
	}
	return ""
}

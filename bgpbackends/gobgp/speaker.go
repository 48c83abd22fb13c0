package gobgp

import (
	"fmt"

	"github.com/stentor-net/stentor/bgpbackends/internal/bfd"
	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
	"github.com/stentor-net/stentor/plugins"
)

// checks are what GoBGP can't do or would do differently.
var checks = desired.Checks{
	MaxPrepend: maxPrepend,
	Peer:       func(p plugins.Peer) error { return bfd.Check(p.BFD) },
	Route: func(a plugins.Announcement) error {
		for _, l := range a.LargeCommunities {
			if l.Global == markGlobal {
				return fmt.Errorf("large community %s: its global administrator is reserved (RFC 8092 §5), and used inside this backend", l)
			}
		}
		return nil
	},
}

// diff is what changes, with the sessions named that live on.
func diff(have, want desired.Speaker) desired.Changes {
	c := desired.Diff(have, want)
	for i, p := range c.PeersNew {
		c.PeersNew[i].KeepsSession = sameInGoBGP(p) || onlyRetry(p)
	}
	return c
}

// sameInGoBGP: only what GoBGP does not know has changed.
func sameInGoBGP(p desired.PeerChange) bool {
	old := p.Old
	old.Name = p.New.Name
	return desired.SameSession(old, p.New)
}

// onlyRetry: only the name and ConnectRetry have changed, and ConnectRetry
// matters between sessions alone.
func onlyRetry(p desired.PeerChange) bool {
	old := p.Old
	old.Name, old.ConnectRetry = p.New.Name, p.New.ConnectRetry
	return desired.SameSession(old, p.New)
}

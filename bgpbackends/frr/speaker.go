package frr

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
	"github.com/stentor-net/stentor/bgpbackends/internal/lazy"
	"github.com/stentor-net/stentor/plugins"
)

// maxPrepend is how often an own AS number fits into a line that FRR takes.
const maxPrepend = 30

// speaker is a plugins.Speaker in canonical form, without what can't be done.
type speaker struct {
	asn      uint32 // 0 holds nothing
	routerID netip.Addr
	peers    []plugins.Peer // sorted by name
	routes   []plugins.Announcement
}

// names are those that can be a word in FRR's configuration.
var names = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// passwords are those that FRR's line parser gives back as they were.
var passwords = lazy.Regexp(`^[\x21-\x7e]{1,80}$`)

// newSpeaker gives want in that form, and names in refused what is left out.
func newSpeaker(want plugins.Speaker) (s speaker, refused, err error) {
	all, refused, err := desired.Canonical(want, desired.Checks{Peer: checkPeer, Route: checkRoute, MaxPrepend: maxPrepend, ZeroHold: true})
	return speaker{asn: all.ASN, routerID: all.RouterID, peers: all.Peers, routes: all.Announcements}, refused, err
}

// checkPeer refuses what FRR can't do or would do differently.
func checkPeer(p plugins.Peer) error {
	switch {
	case !names().MatchString(p.Name):
		return errors.New("its name can't be a word in FRR's configuration: want up to 64 letters, digits, dots, - and _")
	case p.ConnectRetry > 65535*time.Second:
		return fmt.Errorf("connect retry %s", p.ConnectRetry)
	case p.Password != "" && !passwords().MatchString(p.Password):
		return fmt.Errorf("the password: FRR takes up to 80 printable ASCII characters without spaces: %w", plugins.ErrUnsupported)
	case p.BFD != nil && p.BFD.Password != "":
		return fmt.Errorf("signed BFD packets: %w", plugins.ErrUnsupported)
	case p.GracefulRestart != 0:
		return fmt.Errorf("graceful restart: %w", plugins.ErrUnsupported)
	}
	if b := p.BFD; b != nil {
		ms := func(d time.Duration) bool {
			return d%time.Millisecond == 0 && d >= 10*time.Millisecond && d <= time.Minute
		}
		if !ms(b.TX) || !ms(b.RX) || b.Multiplier < 2 || b.Multiplier > 255 {
			return errors.New("BFD: FRR takes intervals from 10ms to 1m and a multiplier from 2 to 255")
		}
	}
	return nil
}

func checkRoute(a plugins.Announcement) error {
	if a.NextHop.IsValid() && a.NextHop.Is4() != a.Prefix.Addr().Is4() {
		return fmt.Errorf("next hop %s is of another family than the prefix: %w", a.NextHop, plugins.ErrUnsupported)
	}
	return nil
}

// told tells whether an announcement is meant for a peer.
func told(a plugins.Announcement, peer string) bool {
	return len(a.Peers) == 0 || slices.Contains(a.Peers, peer)
}

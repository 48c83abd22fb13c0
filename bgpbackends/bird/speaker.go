package bird

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
	"github.com/stentor-net/stentor/bgpbackends/internal/lazy"
	"github.com/stentor-net/stentor/plugins"
)

// maxPrepend bounds Announcement.Prepend: longer paths are dropped by many.
const maxPrepend = 32

// speaker is a plugins.Speaker in canonical form: sorted, and without what
// can't be done.
type speaker struct {
	asn      uint32 // 0 holds nothing
	routerID netip.Addr
	peers    []plugins.Peer // by name
	routes   []plugins.Announcement
}

// newSpeaker gives want in that form, and names in refused what is left out.
func newSpeaker(want plugins.Speaker) (s speaker, refused, err error) {
	all, refused, err := desired.Canonical(want, desired.Checks{Peer: checkPeer, MaxPrepend: maxPrepend, ZeroHold: true, LinkLocal: true})
	return speaker{asn: all.ASN, routerID: all.RouterID, peers: all.Peers, routes: all.Announcements}, refused, err
}

// symbol is what can stand in a name of BIRD's configuration, quoted. BIRD
// takes up to 63 bytes; a prefix of ours comes before it.
var symbol = lazy.Regexp(`^[A-Za-z0-9_.-]{1,40}$`)

// checkPeer refuses what BIRD can't do or would do differently.
func checkPeer(p plugins.Peer) error {
	switch {
	case !symbol().MatchString(p.Name):
		return errors.New("its name can't stand in BIRD's configuration: use up to 40 letters, digits, dashes, dots and underscores")
	case p.Addr.IsLinkLocalUnicast() && p.Addr.Is6() && p.Addr.Zone() == "":
		return fmt.Errorf("the link-local address %s names no link", p.Addr)
	case strings.ContainsAny(p.Addr.Zone(), "\"\n"):
		return fmt.Errorf("link %q", p.Addr.Zone())
	case strings.ContainsAny(p.Password, "\"\n\r\x00"):
		// BIRD's lexer knows no escapes inside a string.
		return fmt.Errorf("the password has a double quote or a control character, which BIRD's configuration can't hold: %w", plugins.ErrUnsupported)
	case p.BFD != nil && p.BFD.Password != "":
		return fmt.Errorf("signed BFD packets: %w", plugins.ErrUnsupported)
	case p.BFD != nil && (p.BFD.TX < time.Millisecond || p.BFD.RX < time.Millisecond || p.BFD.Multiplier < 1 || p.BFD.Multiplier > 255):
		return errors.New("BFD: want intervals from 1ms and a multiplier from 1 to 255")
	}
	return nil
}

// told tells whether the announcement is meant for the peer of that name.
func told(a plugins.Announcement, peer string) bool {
	return len(a.Peers) == 0 || slices.Contains(a.Peers, peer)
}

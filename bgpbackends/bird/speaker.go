package bird

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

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

// newSpeaker checks and canonicalises want. A peer or an announcement that
// can't be done is left out and named in refused: one bad announcement must
// not keep another one from being withdrawn. A speaker that makes no sense as
// a whole is an error, and nothing is to be changed for it.
func newSpeaker(want plugins.Speaker) (s speaker, refused, err error) {
	switch {
	case want.ASN == 0 && len(want.Peers)+len(want.Announcements) == 0:
		return speaker{}, nil, nil
	case want.ASN == 0:
		return speaker{}, nil, errors.New("the speaker has no AS number of its own")
	case !want.RouterID.Is4() || want.RouterID.IsUnspecified():
		return speaker{}, nil, fmt.Errorf("router ID %s is no IPv4 address", want.RouterID)
	}
	s = speaker{asn: want.ASN, routerID: want.RouterID}
	var errs []error
	names, addrs := map[string]bool{}, map[netip.Addr]bool{}
	for _, p := range want.Peers {
		p.Addr = p.Addr.Unmap()
		err := checkPeer(p)
		switch {
		case err != nil:
		case addrs[p.Addr]:
			err = fmt.Errorf("another peer has the address %s", p.Addr)
		case names[p.Name]:
			err = errors.New("another peer has this name")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("peer %s: %w", p.Name, err))
			continue
		}
		names[p.Name], addrs[p.Addr] = true, true
		s.peers = append(s.peers, p)
	}
	prefixes := map[netip.Prefix]bool{}
	for _, a := range want.Announcements {
		a, err := newRoute(a, names)
		if err == nil && prefixes[a.Prefix] {
			err = errors.New("is announced twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("announcement %s: %w", a.Prefix, err))
			continue
		}
		prefixes[a.Prefix] = true
		s.routes = append(s.routes, a)
	}
	slices.SortFunc(s.peers, func(a, b plugins.Peer) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.routes, func(a, b plugins.Announcement) int { return a.Prefix.Compare(b.Prefix) })
	return s, errors.Join(errs...), nil
}

// symbol is what can stand in a name of BIRD's configuration, quoted. BIRD
// takes up to 63 bytes; a prefix of ours comes before it.
var symbol = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,40}$`)

// checkPeer refuses what BIRD can't do or would do differently.
func checkPeer(p plugins.Peer) error {
	whole := func(d time.Duration) bool { return d%time.Second == 0 }
	switch {
	case !symbol.MatchString(p.Name):
		return errors.New("its name can't stand in BIRD's configuration: use up to 40 letters, digits, dashes, dots and underscores")
	case !p.Addr.IsValid():
		return errors.New("has no address")
	case p.Addr.IsLinkLocalUnicast() && p.Addr.Is6() && p.Addr.Zone() == "":
		return fmt.Errorf("the link-local address %s names no link", p.Addr)
	case strings.ContainsAny(p.Addr.Zone(), "\"\n"):
		return fmt.Errorf("link %q", p.Addr.Zone())
	case p.ASN == 0:
		return errors.New("has no AS number")
	case p.LocalAddr.IsValid() && p.LocalAddr.Is4() != p.Addr.Is4():
		return fmt.Errorf("local address %s does not fit the peer's address family", p.LocalAddr)
	case p.Hold != 0 && (p.Hold < 3*time.Second || p.Hold > 65535*time.Second) || !whole(p.Hold):
		return fmt.Errorf("a Hold Time of %s: want 0 or whole seconds from 3s to 65535s", p.Hold)
	case p.Keepalive < 0 || p.Hold > 0 && p.Keepalive >= p.Hold || !whole(p.Keepalive):
		return fmt.Errorf("keepalive %s: want whole seconds below the Hold Time", p.Keepalive)
	case p.ConnectRetry < 0:
		return fmt.Errorf("connect retry %s", p.ConnectRetry)
	case p.TTL < 0 || p.TTL > 255:
		return fmt.Errorf("TTL %d: want 1 to 255", p.TTL)
	case p.TTLSecurity < 0 || p.TTLSecurity > 254:
		return fmt.Errorf("TTL security over %d hops: want 1 to 254", p.TTLSecurity)
	case p.TTLSecurity > 0 && p.TTL > 0:
		return errors.New("TTL and TTL security exclude each other")
	case len(p.Password) > 80:
		return errors.New("the password is longer than 80 bytes (TCP-MD5, tcp(7))")
	case strings.ContainsAny(p.Password, "\"\n\r\x00"):
		// BIRD's lexer knows no escapes inside a string.
		return fmt.Errorf("the password has a double quote or a control character, which BIRD's configuration can't hold: %w", plugins.ErrUnsupported)
	case p.GracefulRestart < 0 || p.GracefulRestart > 4095*time.Second || !whole(p.GracefulRestart):
		return fmt.Errorf("restart time %s: want whole seconds up to 4095s (RFC 4724 §3)", p.GracefulRestart)
	case p.BFD != nil && (p.BFD.TX < time.Millisecond || p.BFD.RX < time.Millisecond || p.BFD.Multiplier < 1 || p.BFD.Multiplier > 255):
		return errors.New("BFD: want intervals from 1ms and a multiplier from 1 to 255")
	}
	return nil
}

// newRoute canonicalises one announcement.
func newRoute(a plugins.Announcement, peers map[string]bool) (plugins.Announcement, error) {
	if !a.Prefix.IsValid() || a.Prefix.Addr().Is4In6() {
		return a, errors.New("is no prefix")
	}
	a.Prefix, a.NextHop = a.Prefix.Masked(), a.NextHop.Unmap()
	a.Communities = sortedSet(a.Communities, cmp.Compare[plugins.Community])
	a.LargeCommunities = sortedSet(a.LargeCommunities, func(x, y plugins.LargeCommunity) int {
		return cmp.Or(cmp.Compare(x.Global, y.Global), cmp.Compare(x.Local1, y.Local1), cmp.Compare(x.Local2, y.Local2))
	})
	a.Peers = sortedSet(a.Peers, cmp.Compare[string])
	switch {
	case a.NextHop.IsValid() && (a.NextHop.IsLinkLocalUnicast() || a.NextHop.IsUnspecified() || a.NextHop.Zone() != ""):
		return a, fmt.Errorf("next hop %s: want an address that the peers can reach", a.NextHop)
	case a.NextHop.Is4() && a.Prefix.Addr().Is6():
		return a, fmt.Errorf("an IPv6 prefix can't have the IPv4 next hop %s", a.NextHop)
	case a.Prepend < 0 || a.Prepend > maxPrepend:
		return a, fmt.Errorf("prepend %d: want 0 to %d", a.Prepend, maxPrepend)
	}
	for _, name := range a.Peers {
		if !peers[name] {
			return a, fmt.Errorf("there is no peer %q", name)
		}
	}
	return a, nil
}

// told tells whether the announcement is meant for the peer of that name.
func told(a plugins.Announcement, peer string) bool {
	return len(a.Peers) == 0 || slices.Contains(a.Peers, peer)
}

// sortedSet gives the elements of s in order, each once, in a slice of its own.
func sortedSet[T comparable](s []T, order func(a, b T) int) []T {
	return slices.Compact(slices.SortedFunc(slices.Values(s), order))
}

package frr

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"time"

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
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// passwords are those that FRR's line parser gives back as they were.
var passwords = regexp.MustCompile(`^[\x21-\x7e]{1,80}$`)

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
	known := map[string]bool{}
	for _, p := range want.Peers {
		p.Addr = p.Addr.Unmap()
		err := checkPeer(p)
		if err == nil && slices.ContainsFunc(s.peers, func(o plugins.Peer) bool { return o.Addr == p.Addr || o.Name == p.Name }) {
			err = fmt.Errorf("another peer has its name or its address %s", p.Addr)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("peer %s: %w", p.Name, err))
			continue
		}
		s.peers = append(s.peers, p)
		known[p.Name] = true
	}
	slices.SortFunc(s.peers, func(a, b plugins.Peer) int { return cmp.Compare(a.Name, b.Name) })
	for _, a := range want.Announcements {
		a.Prefix, a.NextHop = a.Prefix.Masked(), a.NextHop.Unmap()
		err := checkAnnouncement(a, known)
		if err == nil && slices.ContainsFunc(s.routes, func(o plugins.Announcement) bool { return o.Prefix == a.Prefix }) {
			err = errors.New("is announced twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("announcement %s: %w", a.Prefix, err))
			continue
		}
		s.routes = append(s.routes, a)
	}
	slices.SortFunc(s.routes, func(a, b plugins.Announcement) int { return a.Prefix.Compare(b.Prefix) })
	return s, errors.Join(errs...), nil
}

// checkPeer refuses what FRR can't do or would do differently.
func checkPeer(p plugins.Peer) error {
	whole := func(d time.Duration) bool { return d%time.Second == 0 }
	switch {
	case !names.MatchString(p.Name):
		return errors.New("its name can't be a word in FRR's configuration: want up to 64 letters, digits, dots, - and _")
	case !p.Addr.IsValid():
		return errors.New("has no address")
	case p.Addr.Zone() != "" || p.Addr.IsLinkLocalUnicast():
		return fmt.Errorf("a session over the link-local address %s: %w", p.Addr, plugins.ErrUnsupported)
	case p.ASN == 0:
		return errors.New("has no AS number")
	case p.LocalAddr.IsValid() && p.LocalAddr.Is4() != p.Addr.Is4():
		return fmt.Errorf("local address %s does not fit the peer's address family", p.LocalAddr)
	case p.Hold != 0 && p.Hold < 3*time.Second || p.Hold > 65535*time.Second || !whole(p.Hold):
		return fmt.Errorf("the Hold Time %s: want 0 or whole seconds from 3s to 65535s", p.Hold)
	case p.Keepalive < 0 || p.Keepalive > p.Hold || !whole(p.Keepalive):
		return fmt.Errorf("keepalive %s: want whole seconds below the Hold Time", p.Keepalive)
	case p.ConnectRetry < 0 || p.ConnectRetry > 65535*time.Second:
		return fmt.Errorf("connect retry %s", p.ConnectRetry)
	case p.TTL < 0 || p.TTL > 255:
		return fmt.Errorf("TTL %d: want 1 to 255", p.TTL)
	case p.TTLSecurity < 0 || p.TTLSecurity > 254:
		return fmt.Errorf("TTL security over %d hops: want 1 to 254", p.TTLSecurity)
	case p.TTLSecurity > 0 && p.TTL > 0:
		return errors.New("TTL and TTL security exclude each other")
	case p.Password != "" && !passwords.MatchString(p.Password):
		return fmt.Errorf("the password: FRR takes up to 80 printable ASCII characters without spaces: %w", plugins.ErrUnsupported)
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

func checkAnnouncement(a plugins.Announcement, known map[string]bool) error {
	switch {
	case !a.Prefix.IsValid() || a.Prefix.Addr().Is4In6():
		return errors.New("is no prefix")
	case a.NextHop.IsValid() && (a.NextHop.Zone() != "" || a.NextHop.IsLinkLocalUnicast() || a.NextHop.IsUnspecified()):
		return fmt.Errorf("next hop %s: want a global address", a.NextHop)
	case a.NextHop.IsValid() && a.NextHop.Is4() != a.Prefix.Addr().Is4():
		return fmt.Errorf("next hop %s is of another family than the prefix: %w", a.NextHop, plugins.ErrUnsupported)
	case a.Prepend < 0 || a.Prepend > maxPrepend:
		return fmt.Errorf("prepend %d: want 0 to %d", a.Prepend, maxPrepend)
	}
	for _, name := range a.Peers {
		if !known[name] {
			return fmt.Errorf("there is no peer %q", name)
		}
	}
	return nil
}

// told tells whether an announcement is meant for a peer.
func told(a plugins.Announcement, peer string) bool {
	return len(a.Peers) == 0 || slices.Contains(a.Peers, peer)
}

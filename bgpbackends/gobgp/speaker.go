package gobgp

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// speaker is a plugins.Speaker in the form that is compared: keyed, canonical,
// and without what can't be done.
type speaker struct {
	asn      uint32 // 0 holds nothing
	routerID netip.Addr
	peers    map[netip.Addr]plugins.Peer
	routes   map[netip.Prefix]route
}

// route is an announcement in canonical form.
type route struct {
	prefix      netip.Prefix
	nextHop     netip.Addr // zero: the session's own
	communities []plugins.Community
	large       []plugins.LargeCommunity
	med         *uint32
	localPref   *uint32
	prepend     int
	restricted  bool         // told only to the peers in only
	only        []netip.Addr // sorted
}

func (r route) equal(o route) bool {
	return r.prefix == o.prefix && r.nextHop == o.nextHop && r.prepend == o.prepend &&
		slices.Equal(r.communities, o.communities) && slices.Equal(r.large, o.large) &&
		samePtr(r.med, o.med) && samePtr(r.localPref, o.localPref) &&
		r.restricted == o.restricted && slices.Equal(r.only, o.only)
}

// isTold tells whether the announcement is meant for the peer at addr.
func (r route) isTold(addr netip.Addr) bool {
	return !r.restricted || slices.Contains(r.only, addr)
}

func samePtr(a, b *uint32) bool {
	return a == b || a != nil && b != nil && *a == *b
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
	s = speaker{
		asn: want.ASN, routerID: want.RouterID,
		peers: map[netip.Addr]plugins.Peer{}, routes: map[netip.Prefix]route{},
	}
	var errs []error
	byName := map[string]netip.Addr{}
	for _, p := range want.Peers {
		p.Addr = p.Addr.Unmap()
		err := checkPeer(p)
		if _, double := s.peers[p.Addr]; err == nil && double {
			err = fmt.Errorf("another peer has the address %s", p.Addr)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("peer %s: %w", p.Name, err))
			continue
		}
		s.peers[p.Addr] = p
		byName[p.Name] = p.Addr
	}
	for _, a := range want.Announcements {
		r, err := newRoute(a, byName)
		if _, double := s.routes[r.prefix]; err == nil && double {
			err = errors.New("is announced twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("announcement %s: %w", a.Prefix, err))
			continue
		}
		s.routes[r.prefix] = r
	}
	return s, errors.Join(errs...), nil
}

// checkPeer refuses what GoBGP can't do or would do differently.
func checkPeer(p plugins.Peer) error {
	whole := func(d time.Duration) bool { return d%time.Second == 0 }
	switch {
	case !p.Addr.IsValid():
		return errors.New("has no address")
	case p.Addr.Zone() != "" || p.Addr.IsLinkLocalUnicast():
		return fmt.Errorf("a session over the link-local address %s: %w", p.Addr, plugins.ErrUnsupported)
	case p.ASN == 0:
		return errors.New("has no AS number")
	case p.LocalAddr.IsValid() && p.LocalAddr.Is4() != p.Addr.Is4():
		return fmt.Errorf("local address %s does not fit the peer's address family", p.LocalAddr)
	case p.Hold == 0:
		// GoBGP takes 0 for its default of 90 s.
		return fmt.Errorf("a Hold Time of 0: %w", plugins.ErrUnsupported)
	case p.Hold < 3*time.Second || p.Hold > 65535*time.Second || !whole(p.Hold):
		return fmt.Errorf("Hold Time %s: want whole seconds from 3s to 65535s", p.Hold)
	case p.Keepalive < 0 || p.Keepalive >= p.Hold || !whole(p.Keepalive):
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
	case p.BFD != nil:
		return fmt.Errorf("BFD: %w", plugins.ErrUnsupported)
	case p.GracefulRestart < 0 || p.GracefulRestart > 4095*time.Second || !whole(p.GracefulRestart):
		return fmt.Errorf("restart time %s: want whole seconds up to 4095s (RFC 4724 §3)", p.GracefulRestart)
	}
	return nil
}

// newRoute canonicalises one announcement.
func newRoute(a plugins.Announcement, byName map[string]netip.Addr) (route, error) {
	r := route{
		prefix:      a.Prefix.Masked(),
		nextHop:     a.NextHop.Unmap(),
		communities: sortedSet(a.Communities, cmp.Compare[plugins.Community]),
		large: sortedSet(a.LargeCommunities, func(x, y plugins.LargeCommunity) int {
			return cmp.Or(cmp.Compare(x.Global, y.Global), cmp.Compare(x.Local1, y.Local1), cmp.Compare(x.Local2, y.Local2))
		}),
		med: a.MED, localPref: a.LocalPref, prepend: a.Prepend,
		restricted: len(a.Peers) > 0,
	}
	switch {
	case !a.Prefix.IsValid() || a.Prefix.Addr().Is4In6():
		return r, errors.New("is no prefix")
	case r.nextHop.IsValid() && (r.nextHop.Zone() != "" || r.nextHop.IsLinkLocalUnicast()):
		return r, fmt.Errorf("next hop %s is link-local", r.nextHop)
	case r.nextHop.IsValid() && r.nextHop.IsUnspecified():
		return r, fmt.Errorf("next hop %s", r.nextHop)
	case r.nextHop.Is4() && r.prefix.Addr().Is6():
		return r, fmt.Errorf("an IPv6 prefix can't have the IPv4 next hop %s", r.nextHop)
	case r.prepend < 0 || r.prepend > maxPrepend:
		return r, fmt.Errorf("prepend %d: want 0 to %d", r.prepend, maxPrepend)
	}
	for _, l := range r.large {
		if l.Global == markGlobal {
			return r, fmt.Errorf("large community %s: its global administrator is reserved (RFC 8092 §5), and used inside this backend", l)
		}
	}
	for _, name := range a.Peers {
		addr, ok := byName[name]
		if !ok {
			return r, fmt.Errorf("there is no peer %q", name)
		}
		r.only = append(r.only, addr)
	}
	r.only = sortedSet(r.only, netip.Addr.Compare)
	return r, nil
}

// sortedSet gives the elements of s in order, each once, in a slice of its own.
func sortedSet[T comparable](s []T, order func(a, b T) int) []T {
	return slices.Compact(slices.SortedFunc(slices.Values(s), order))
}

// sortedPeers gives the peers in the order of their names.
func (s speaker) sortedPeers() []plugins.Peer {
	return slices.SortedFunc(maps.Values(s.peers), func(a, b plugins.Peer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Addr.Compare(b.Addr))
	})
}

// Package desired is a plugins.Speaker as backends compare it: canonical, and
// without what can't be done.
package desired

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

// Speaker is everything that a speaker shall hold.
type Speaker struct {
	ASN      uint32 // 0 holds nothing
	RouterID netip.Addr
	Peers    map[netip.Addr]plugins.Peer
	Routes   map[netip.Prefix]Route
}

// Route is an announcement in canonical form.
type Route struct {
	Prefix      netip.Prefix
	NextHop     netip.Addr // zero: the session's own
	Communities []plugins.Community
	Large       []plugins.LargeCommunity
	MED         *uint32
	LocalPref   *uint32
	Prepend     int
	Restricted  bool         // told only to the peers in Only
	Only        []netip.Addr // sorted
}

// Equal reports whether both say the same.
func (r Route) Equal(o Route) bool {
	return r.Prefix == o.Prefix && r.NextHop == o.NextHop && r.Prepend == o.Prepend &&
		slices.Equal(r.Communities, o.Communities) && slices.Equal(r.Large, o.Large) &&
		samePtr(r.MED, o.MED) && samePtr(r.LocalPref, o.LocalPref) &&
		r.Restricted == o.Restricted && slices.Equal(r.Only, o.Only)
}

// IsTold tells whether the announcement is meant for the peer at addr.
func (r Route) IsTold(addr netip.Addr) bool {
	return !r.Restricted || slices.Contains(r.Only, addr)
}

func samePtr(a, b *uint32) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// Checks are what one speaker can't do, or can do beyond what most can.
type Checks struct {
	Peer       func(plugins.Peer) error         // may be nil
	Route      func(plugins.Announcement) error // may be nil
	MaxPrepend int
	// ZeroHold: a Hold Time of 0 can be had, which never expires (RFC 4271 §4.2).
	ZeroHold bool
	// LinkLocal: a peer's address may be link-local, with its link as zone.
	LinkLocal bool
}

// Canonical checks want, and gives it sorted, each set once. A peer or an
// announcement that can't be done is left out and named in refused: one bad
// announcement must not keep another one from being withdrawn. A speaker that
// makes no sense as a whole is an error, and nothing is to be changed for it.
func Canonical(want plugins.Speaker, c Checks) (s plugins.Speaker, refused, err error) {
	switch {
	case want.ASN == 0 && len(want.Peers)+len(want.Announcements) == 0:
		return plugins.Speaker{}, nil, nil
	case want.ASN == 0:
		return plugins.Speaker{}, nil, errors.New("the speaker has no AS number of its own")
	case !want.RouterID.Is4() || want.RouterID.IsUnspecified():
		return plugins.Speaker{}, nil, fmt.Errorf("router ID %s is no IPv4 address", want.RouterID)
	}
	s = plugins.Speaker{ASN: want.ASN, RouterID: want.RouterID}
	var errs []error
	names, addrs := map[string]bool{}, map[netip.Addr]bool{}
	for _, p := range want.Peers {
		p.Addr = p.Addr.Unmap()
		err := c.peer(p)
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
		s.Peers = append(s.Peers, p)
	}
	prefixes := map[netip.Prefix]bool{}
	for _, a := range want.Announcements {
		a, err := c.announcement(a, names)
		if err == nil && prefixes[a.Prefix] {
			err = errors.New("is announced twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("announcement %s: %w", a.Prefix, err))
			continue
		}
		prefixes[a.Prefix] = true
		s.Announcements = append(s.Announcements, a)
	}
	slices.SortFunc(s.Peers, func(a, b plugins.Peer) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Announcements, func(a, b plugins.Announcement) int { return a.Prefix.Compare(b.Prefix) })
	return s, errors.Join(errs...), nil
}

// peer refuses what makes no sense to any speaker, or to this one.
func (c Checks) peer(p plugins.Peer) error {
	whole := func(d time.Duration) bool { return d%time.Second == 0 }
	local := p.Addr.Zone() != "" || p.Addr.IsLinkLocalUnicast()
	switch {
	case !p.Addr.IsValid():
		return errors.New("has no address")
	case local && !c.LinkLocal:
		return fmt.Errorf("a session over the link-local address %s: %w", p.Addr, plugins.ErrUnsupported)
	case p.ASN == 0:
		return errors.New("has no AS number")
	case p.LocalAddr.IsValid() && p.LocalAddr.Is4() != p.Addr.Is4():
		return fmt.Errorf("local address %s does not fit the peer's address family", p.LocalAddr)
	case p.Hold == 0 && !c.ZeroHold:
		return fmt.Errorf("a Hold Time of 0, which never notices a peer's end: %w", plugins.ErrUnsupported)
	case p.Hold != 0 && p.Hold < 3*time.Second || p.Hold > 65535*time.Second || !whole(p.Hold):
		return fmt.Errorf("a Hold Time of %s: want whole seconds from 3s to 65535s", p.Hold)
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
	case p.AO.Key != "" && p.Password != "":
		return errors.New("TCP-AO and a password (TCP-MD5) exclude each other")
	case len(p.AO.Key) > 80:
		return errors.New("the TCP-AO key is longer than the 80 bytes that Linux takes")
	case p.AO.Algorithm != "" && p.AO.Algorithm != plugins.AOHMACSHA1 && p.AO.Algorithm != plugins.AOAESCMAC:
		return fmt.Errorf("TCP-AO by %q: want %s or %s", p.AO.Algorithm, plugins.AOHMACSHA1, plugins.AOAESCMAC)
	case p.GracefulRestart < 0 || p.GracefulRestart > 4095*time.Second || !whole(p.GracefulRestart):
		return fmt.Errorf("restart time %s: want whole seconds up to 4095s (RFC 4724 §3)", p.GracefulRestart)
	}
	if c.Peer == nil {
		return nil
	}
	return c.Peer(p)
}

// announcement canonicalises one, and refuses what makes no sense.
func (c Checks) announcement(a plugins.Announcement, peers map[string]bool) (plugins.Announcement, error) {
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
	case a.NextHop.IsValid() && (a.NextHop.Zone() != "" || a.NextHop.IsLinkLocalUnicast()):
		return a, fmt.Errorf("next hop %s is link-local", a.NextHop)
	case a.NextHop.IsValid() && a.NextHop.IsUnspecified():
		return a, fmt.Errorf("next hop %s", a.NextHop)
	case a.NextHop.Is4() && a.Prefix.Addr().Is6():
		return a, fmt.Errorf("an IPv6 prefix can't have the IPv4 next hop %s", a.NextHop)
	case a.Prepend < 0 || a.Prepend > c.MaxPrepend:
		return a, fmt.Errorf("prepend %d: want 0 to %d", a.Prepend, c.MaxPrepend)
	}
	for _, name := range a.Peers {
		if !peers[name] {
			return a, fmt.Errorf("there is no peer %q", name)
		}
	}
	if c.Route == nil {
		return a, nil
	}
	return a, c.Route(a)
}

// sortedSet gives the elements of s in order, each once, in a slice of its
// own; nil if there is none.
func sortedSet[T comparable](s []T, order func(a, b T) int) []T {
	if len(s) == 1 { // as most are
		return []T{s[0]}
	}
	return slices.Compact(slices.SortedFunc(slices.Values(s), order))
}

// New gives what Canonical does, keyed.
func New(want plugins.Speaker, c Checks) (s Speaker, refused, err error) {
	all, refused, err := Canonical(want, c)
	if err != nil || all.ASN == 0 {
		return Speaker{}, refused, err
	}
	s = Speaker{ASN: all.ASN, RouterID: all.RouterID, Peers: map[netip.Addr]plugins.Peer{}, Routes: map[netip.Prefix]Route{}}
	byName := map[string]netip.Addr{}
	for _, p := range all.Peers {
		s.Peers[p.Addr], byName[p.Name] = p, p.Addr
	}
	for _, a := range all.Announcements {
		r := Route{
			Prefix: a.Prefix, NextHop: a.NextHop, Communities: a.Communities, Large: a.LargeCommunities,
			MED: a.MED, LocalPref: a.LocalPref, Prepend: a.Prepend, Restricted: len(a.Peers) > 0,
		}
		for _, name := range a.Peers {
			r.Only = append(r.Only, byName[name])
		}
		r.Only = sortedSet(r.Only, netip.Addr.Compare)
		s.Routes[r.Prefix] = r
	}
	return s, refused, nil
}

// SortedPeers gives the peers in the order of their names.
func (s Speaker) SortedPeers() []plugins.Peer {
	return slices.SortedFunc(maps.Values(s.Peers), func(a, b plugins.Peer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Addr.Compare(b.Addr))
	})
}

// SortedPrefixes gives the prefixes in order.
func (s Speaker) SortedPrefixes() []netip.Prefix {
	return slices.SortedFunc(maps.Keys(s.Routes), netip.Prefix.Compare)
}

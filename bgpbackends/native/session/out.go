package session

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/stentor-net/stentor/bgpbackends/native/wire"
)

// Route is a prefix to announce to one peer.
type Route struct {
	Prefix netip.Prefix
	// NextHop; zero is the session's own address.
	NextHop netip.Addr
	// Attrs may be shared by many routes: those of one pointer, family and next
	// hop go into the same messages.
	Attrs *Attrs
}

// Attrs are the attributes of a route but for its next hop and the AS_PATH's
// first AS.
type Attrs struct {
	Prepend          int
	MED, LocalPref   *uint32
	Communities      []uint32
	LargeCommunities [][3]uint32

	once sync.Once // sessions share attributes
	key  string
}

// Key is the same for attributes that say the same.
func (a *Attrs) Key() string {
	a.once.Do(func() {
		b := strconv.AppendInt(nil, int64(a.Prepend), 10)
		for _, v := range []*uint32{a.MED, a.LocalPref} {
			b = append(b, ' ')
			if v != nil {
				b = strconv.AppendUint(b, uint64(*v), 10)
			}
		}
		for _, c := range a.Communities {
			b = strconv.AppendUint(append(b, ' '), uint64(c), 10)
		}
		for _, l := range a.LargeCommunities {
			b = append(b, ' ')
			for _, v := range l {
				b = strconv.AppendUint(append(b, ':'), uint64(v), 10)
			}
		}
		a.key = string(b)
	})
	return a.key
}

// standardLocalPref is what an internal peer is sent where the config says
// nothing: LOCAL_PREF is not optional there (RFC 4271 §5.1.5).
var standardLocalPref = uint32(100)

// terms are what a session negotiated, and who its ends are.
type terms struct {
	localASN uint32
	external bool
	peer     *wire.Open
	local    netip.Addr // this end of the connection
	// own gives an address of this host for routes whose family is not that of
	// the session; zero where there is none.
	own func(wire.Family) netip.Addr
}

func (t *terms) wire() wire.Session {
	s := wire.Session{FourOctetAS: t.peer.FourOctetAS, Max: wire.MaxLen}
	if t.peer.ExtendedMessage {
		s.Max = wire.MaxExtendedLen
	}
	return s
}

// told is a route as a peer has it.
type told struct {
	nextHop netip.Addr
	attrs   *Attrs
}

func (a told) equal(b told) bool {
	return a.nextHop == b.nextHop && (a.attrs == b.attrs || a.attrs.Key() == b.attrs.Key())
}

func family(p netip.Prefix) wire.Family {
	if p.Addr().Is4() {
		return wire.IPv4
	}
	return wire.IPv6
}

// noHop is why a route that has no next hop of its own gets none.
var noHop = map[wire.Family]string{
	wire.IPv4: "the peer does not take an IPv6 next hop for IPv4 (RFC 8950), and this host has no IPv4 address of its own to give instead",
	wire.IPv6: "this host has no IPv6 address of its own to give as next hop",
}

// resolve gives the route as the peer of t can have it, or why it can't.
func (t *terms) resolve(r Route) (told, string) {
	f, hop := family(r.Prefix), r.NextHop
	if !t.peer.Has(f) {
		return told{}, fmt.Sprintf("the peer did not negotiate %s unicast", f)
	}
	if !hop.IsValid() {
		if f == wire.IPv4 && (t.local.Is4() || t.peer.ExtendedNextHop) || f == wire.IPv6 && t.local.Is6() {
			hop = t.local
		} else if hop = t.own(f); !hop.IsValid() {
			return told{}, noHop[f]
		}
	}
	if f == wire.IPv4 && hop.Is6() && !t.peer.ExtendedNextHop {
		return told{}, fmt.Sprintf("the peer does not take the IPv6 next hop %s for IPv4 (RFC 8950)", hop)
	}
	return told{hop, r.Attrs}, ""
}

// attributes are a's on the wire.
func (t *terms) attributes(to told) *wire.Attributes {
	a := &wire.Attributes{NextHop: to.nextHop, MED: to.attrs.MED, Communities: to.attrs.Communities, LargeCommunities: to.attrs.LargeCommunities}
	if t.external {
		for range 1 + to.attrs.Prepend {
			a.ASPath = append(a.ASPath, t.localASN)
		}
		return a
	}
	if a.LocalPref = to.attrs.LocalPref; a.LocalPref == nil {
		a.LocalPref = &standardLocalPref
	}
	return a
}

// ribOut is what a peer was told (Adj-RIB-Out, RFC 4271 §3.2).
type ribOut map[netip.Prefix]told

// update makes the peer hold want: it gives the messages, and notes them as
// sent. Withdrawals come first. unsent says what can't be told, and why.
func (r ribOut) update(t *terms, want []Route) (messages []byte, unsent string) {
	next := make(ribOut, len(want))
	var cant []netip.Prefix
	for _, route := range want {
		to, why := t.resolve(route)
		if why != "" {
			if len(cant) == 0 {
				unsent = why
			}
			cant = append(cant, route.Prefix)
			continue
		}
		next[route.Prefix] = to
	}
	for _, f := range []wire.Family{wire.IPv4, wire.IPv6} {
		var gone []netip.Prefix
		for p := range r {
			if _, keep := next[p]; !keep && family(p) == f {
				gone = append(gone, p)
				delete(r, p)
			}
		}
		slices.SortFunc(gone, netip.Prefix.Compare)
		messages = wire.AppendWithdraw(messages, t.wire(), f, gone)
	}
	messages = r.announce(messages, t, next)
	switch {
	case len(cant) == 1:
		unsent = fmt.Sprintf("%s is not sent: %s", cant[0], unsent)
	case len(cant) > 1:
		unsent = fmt.Sprintf("%s and %d more are not sent: %s", cant[0], len(cant)-1, unsent)
	}
	return messages, unsent
}

// announce appends what is new in next, grouped by all but the prefix.
func (r ribOut) announce(messages []byte, t *terms, next ribOut) []byte {
	type key struct {
		family  wire.Family
		nextHop netip.Addr
		attrs   string
	}
	type group struct {
		key
		to       told
		prefixes []netip.Prefix
	}
	groups := map[key]*group{}
	for p, to := range next {
		if have, there := r[p]; there && have.equal(to) {
			continue
		}
		k := key{family(p), to.nextHop, to.attrs.Key()}
		if groups[k] == nil {
			groups[k] = &group{key: k, to: to}
		}
		groups[k].prefixes = append(groups[k].prefixes, p)
		r[p] = to
	}
	sorted := make([]*group, 0, len(groups))
	for _, g := range groups {
		slices.SortFunc(g.prefixes, netip.Prefix.Compare)
		sorted = append(sorted, g)
	}
	slices.SortFunc(sorted, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.family, b.family), a.nextHop.Compare(b.nextHop), cmp.Compare(a.attrs, b.attrs))
	})
	for _, g := range sorted {
		messages = wire.AppendAnnounce(messages, t.wire(), t.attributes(g.to), g.family, g.prefixes)
	}
	return messages
}

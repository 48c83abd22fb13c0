package config

import (
	"math"
	"slices"

	"github.com/stentor-net/stentor/core/provider"
	"github.com/stentor-net/stentor/plugins"
)

// noExport is the first of the well-known communities that limit how far a
// route travels (RFC 1997); noPeer is the last (RFC 3765).
const (
	noExport plugins.Community = 0xffffff01
	noPeer   plugins.Community = 0xffffff04
)

// fromProvider takes over what a role stands for at the provider.
func fromProvider(a provider.Attrs) Attrs {
	return Attrs{Communities: a.Communities, MED: a.MED, LocalPref: a.LocalPref, Prepend: a.Prepend}
}

// override replaces what t names. What it does not name stays: a role with a
// MED keeps the provider's communities.
func (a Attrs) override(t *table) Attrs {
	if c, at := get[[]plugins.Community](t, "communities"); at != nil {
		a.Communities = c
	}
	if c, at := get[[]plugins.LargeCommunity](t, "large_communities"); at != nil {
		a.LargeCommunities = c
	}
	if n, at := get[uint32](t, "med"); at != nil {
		a.MED = &n
	}
	if n, at := get[uint32](t, "local_pref"); at != nil {
		a.LocalPref = &n
	}
	if n, at := get[int](t, "prepend"); at != nil {
		a.Prepend = n
	}
	return a
}

// drained gives the attributes of a VIP while it is drained, so that it is
// never more attractive than a secondary, whatever the peers compare. Beside
// what lesser says:
//
//   - LOCAL_PREF, where it is in use: 0, as RFC 8326 §4.2 wants of the one who
//     shuts down; the community alone does not work inside an AS.
//   - GRACEFUL_SHUTDOWN, for peers that know it (RFC 8326).
func drained(own, secondary Attrs, role Role) Attrs {
	out := lesser(own, secondary, role)
	out.Communities = appendNew(out.Communities, plugins.GracefulShutdown)
	if own.LocalPref != nil || secondary.LocalPref != nil {
		out.LocalPref = new(uint32)
	}
	return out
}

// demoted gives the attributes of a VIP that is announced all the same though
// another host should have it. Whatever the peers compare, four hosts stand in
// a row: a healthy primary, a healthy secondary, a demoted primary, a demoted
// secondary. So a demoted host never ties with a healthy one, nor, where all
// are demoted, with another demoted one.
func demoted(own, secondary Attrs, role Role, canPrepend bool) Attrs {
	out, steps := lesser(own, secondary, role), 1
	if role == Secondary {
		steps = 2
	}
	if out.MED != nil {
		med := uint32(min(uint64(*out.MED)+uint64(100*steps), math.MaxUint32))
		out.MED = &med
	}
	if canPrepend {
		out.Prepend = max(out.Prepend, min(out.Prepend+2*steps, maxPrepend))
	}
	if own.LocalPref != nil || secondary.LocalPref != nil {
		pref := uint32(defaultLocalPref)
		for _, p := range []*uint32{own.LocalPref, secondary.LocalPref} {
			if p != nil {
				pref = min(pref, *p)
			}
		}
		pref >>= steps
		out.LocalPref = &pref
	}
	return out
}

const (
	// defaultLocalPref is what routers take for a route without LOCAL_PREF.
	defaultLocalPref = 100
	// maxPrepend is how far demoted goes: a backend takes no more.
	maxPrepend = 30
)

// lesser joins the worse of what a VIP and the secondary role say:
//
//   - communities: those of the secondary role. A VIP that is secondary here
//     keeps its own, and any VIP keeps the ones that limit where its route may
//     go (no-export): nothing must leak that is otherwise kept in.
//   - AS_PATH and MED: the worse of the secondary's and its own.
func lesser(own, secondary Attrs, role Role) Attrs {
	out := secondary
	if role == Secondary {
		out.Communities, out.LargeCommunities = own.Communities, own.LargeCommunities
	}
	out.Communities = slices.Clone(out.Communities)
	for _, c := range own.Communities {
		if c >= noExport && c <= noPeer {
			out.Communities = appendNew(out.Communities, c)
		}
	}
	out.Prepend = max(own.Prepend, secondary.Prepend)
	// A missing MED counts as 0, the best (RFC 4271 §9.1.2.2).
	if own.MED != nil && (out.MED == nil || *own.MED > *out.MED) {
		out.MED = own.MED
	}
	return out
}

func appendNew(cs []plugins.Community, c plugins.Community) []plugins.Community {
	if slices.Contains(cs, c) {
		return cs
	}
	return append(cs, c)
}

// equal tells whether peers see no difference.
func (a Attrs) equal(b Attrs) bool {
	return slices.Equal(a.Communities, b.Communities) && slices.Equal(a.LargeCommunities, b.LargeCommunities) &&
		same(a.MED, b.MED) && same(a.LocalPref, b.LocalPref) && a.Prepend == b.Prepend
}

func same(a, b *uint32) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

package rs

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
)

// rib holds at most one route of each neighbor for a prefix.
type rib map[netip.Prefix][]Route

// put takes the place of what the neighbor said before (RFC 4271 §9.1.4: implicit
// withdrawal). The same words again do not make the route a younger one.
func (r rib) put(route Route) {
	for _, old := range r[route.Prefix] {
		again := route
		again.Since = old.Since
		if reflect.DeepEqual(old, again) {
			return
		}
	}
	r.remove(route.Prefix, route.From)
	r[route.Prefix] = append(r[route.Prefix], route)
}

func (r rib) remove(prefix netip.Prefix, from netip.Addr) {
	r[prefix] = slices.DeleteFunc(r[prefix], func(x Route) bool { return x.From == from })
	if len(r[prefix]) == 0 {
		delete(r, prefix)
	}
}

func (r rib) from(neighbor netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	for prefix, routes := range r {
		if slices.ContainsFunc(routes, func(x Route) bool { return x.From == neighbor }) {
			out = append(out, prefix)
		}
	}
	return out
}

func (r rib) best(prefix netip.Prefix) *Route {
	routes := r[prefix]
	if len(routes) == 0 {
		return nil
	}
	best := slices.MinFunc(routes, Prefer)
	best.Best = true
	return &best
}

func (r rib) all() []Route {
	var out []Route
	for _, routes := range r {
		sorted := slices.SortedStableFunc(slices.Values(routes), Prefer)
		sorted[0].Best = true
		out = append(out, sorted...)
	}
	slices.SortStableFunc(out, func(a, b Route) int { return cmp.Compare(a.Prefix.String(), b.Prefix.String()) })
	return out
}

// Prefer orders the routes of one prefix, the best first: RFC 4271 §9.1.2.2,
// and before its last tie-breakers the older route, as the common
// implementations do, so that an equal newcomer moves no traffic.
func Prefer(a, b Route) int {
	return cmp.Or(
		cmp.Compare(b.LocalPref, a.LocalPref),
		cmp.Compare(len(a.ASPath), len(b.ASPath)),
		cmp.Compare(a.Origin, b.Origin),
		compareMED(a, b),
		a.Since.Compare(b.Since),
		a.From.Compare(b.From),
	)
}

// compareMED compares only routes of one neighboring AS.
func compareMED(a, b Route) int {
	if len(a.ASPath) == 0 || len(b.ASPath) == 0 || a.ASPath[0] != b.ASPath[0] {
		return 0
	}
	return cmp.Compare(a.MED, b.MED)
}

// same reports whether the best path of a prefix stayed as it was for those
// who forward by it.
func same(a, b *Route) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.NextHop == b.NextHop && a.From == b.From && Prefer(*a, *b) == 0
}

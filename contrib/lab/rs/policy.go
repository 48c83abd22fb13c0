package rs

import (
	"slices"

	"github.com/stentor-net/stentor/plugins"
)

// Policy decides on a route that a neighbor sent: its LOCAL_PREF, or that it is refused.
type Policy func(Route) (localPref uint32, ok bool)

// Linode is the import policy of Linode's route servers: host routes of IPv4
// and ranges of IPv6, the role told by a community.
func Linode(r Route) (localPref uint32, ok bool) {
	const (
		primary   = plugins.Community(65000<<16 | 1)
		secondary = plugins.Community(65000<<16 | 2)
	)
	bits := r.Prefix.Bits()
	if r.Prefix.Addr().Is4() && bits != 32 || r.Prefix.Addr().Is6() && (bits < 56 || bits > 64) {
		return 0, false
	}
	switch {
	case slices.Contains(r.Communities, primary):
		return 200, true
	case slices.Contains(r.Communities, secondary):
		return 100, true
	}
	return 0, false
}

// AcceptAll takes every route as it comes.
func AcceptAll(r Route) (localPref uint32, ok bool) { return r.LocalPref, true }

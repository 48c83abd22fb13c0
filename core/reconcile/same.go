package reconcile

import (
	"slices"

	"github.com/stentor-net/stentor/plugins"
)

// sameSpeaker reports whether two speakers say the same. It is asked at each
// pass, for thousands of announcements.
func sameSpeaker(a, b plugins.Speaker) bool {
	return a.ASN == b.ASN && a.RouterID == b.RouterID &&
		slices.EqualFunc(a.Peers, b.Peers, samePeer) &&
		slices.EqualFunc(a.Announcements, b.Announcements, sameAnnouncement)
}

func samePeer(a, b plugins.Peer) bool {
	if !samePointed(a.BFD, b.BFD) {
		return false
	}
	a.BFD, b.BFD = nil, nil
	return a == b
}

func sameAnnouncement(a, b plugins.Announcement) bool {
	return a.VIP == b.VIP && a.Prefix == b.Prefix && a.NextHop == b.NextHop && a.Prepend == b.Prepend &&
		slices.Equal(a.Communities, b.Communities) && slices.Equal(a.LargeCommunities, b.LargeCommunities) &&
		samePointed(a.MED, b.MED) && samePointed(a.LocalPref, b.LocalPref) && slices.Equal(a.Peers, b.Peers)
}

func samePointed[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

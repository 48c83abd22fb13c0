package gobgp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// TestSentNews: the table that a new session is sent is news to those who
// watch; what an Apply waits for is not.
func TestSentNews(t *testing.T) {
	peer := netip.MustParseAddr("192.0.2.1")
	a, b := netip.MustParsePrefix("203.0.113.10/32"), netip.MustParsePrefix("203.0.113.11/32")
	l := newLedger(time.Now)
	if l.sent(peer, []netip.Prefix{a}, nil) {
		t.Error("news of a peer that isn't there")
	}
	l.open(peer)
	l.moved(transition{addr: peer, to: plugins.StateEstablished}, "")
	if !l.sent(peer, []netip.Prefix{a}, nil) {
		t.Error("the first table is no news")
	}
	l.owe(peer, b, true)
	if l.sent(peer, []netip.Prefix{b}, nil) {
		t.Error("news of what an Apply waits for")
	}
	l.owe(peer, a, false)
	if !l.sent(peer, nil, []netip.Prefix{a, b}) {
		t.Error("nobody waits for the second withdrawal")
	}
}

package bird

import (
	"testing"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/plugins"
)

// TestAnnounceToFRR: a route server of another implementation takes what we
// announce, follows a change of role, and loses it again; the operator's own
// part of BIRD does not notice.
func TestAnnounceToFRR(t *testing.T) {
	r := newRig(t, lab.FRR, 1)
	conf, before := r.read(r.dir+"/bird.conf"), r.operators()
	want := speakerOf(r.routeServers(), announcement("198.18.0.1/32", 1), announcement("2001:db8:5a:1::/64", 1))
	r.apply(want)
	r.settled(want)
	r.established("rs1")
	r.tells("rs1", "198.18.0.1/32", "2001:db8:5a:1::/64")
	r.until("rs1 to have both routes", func() (bool, any) {
		routes, err := r.net.Routes(r.Context(), "rs1")
		return len(routes) == 2 && routes[0].LocalPref == 200, []any{routes, err}
	})
	want = speakerOf(r.routeServers(), announcement("198.18.0.1/32", 2), announcement("2001:db8:5a:1::/64", 1))
	r.apply(want)
	r.settled(want)
	r.until("rs1 to see the other role", func() (bool, any) {
		routes, err := r.net.Routes(r.Context(), "rs1")
		return len(routes) == 2 && routes[0].LocalPref == 100, []any{routes, err}
	})
	r.apply(plugins.Speaker{})
	r.settled(plugins.Speaker{})
	r.until("rs1 to have no route", func() (bool, any) {
		routes, err := r.net.Routes(r.Context(), "rs1")
		return len(routes) == 0 && err == nil, []any{routes, err}
	})
	r.untouched(before)
	if after := r.read(r.dir + "/bird.conf"); after != conf {
		t.Errorf("bird.conf is now\n%s", after)
	}
}

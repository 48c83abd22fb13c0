package rs

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stentor-net/stentor/plugins"
)

var (
	day   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	hostA = netip.MustParseAddr("2001:db8::a")
	hostB = netip.MustParseAddr("2001:db8::b")
	vip   = netip.MustParsePrefix("198.18.0.1/32")
)

func TestPreferOrder(t *testing.T) {
	base := Route{Prefix: vip, From: hostA, LocalPref: 100, ASPath: []uint32{65001}, Since: day}
	with := func(change func(*Route)) Route {
		r := base
		r.From, r.Since = hostB, day.Add(time.Second) // loses all ties
		change(&r)
		return r
	}
	for _, tt := range []struct {
		name  string
		other Route
		wins  bool
	}{
		{"nothing better", with(func(*Route) {}), false},
		{"higher LOCAL_PREF", with(func(r *Route) { r.LocalPref, r.ASPath = 200, []uint32{65001, 65001} }), true},
		{"shorter AS_PATH", with(func(r *Route) { r.ASPath, r.Origin = nil, 2 }), true},
		{"longer AS_PATH", with(func(r *Route) { r.ASPath, r.Since = []uint32{65001, 65001}, day.Add(-time.Hour) }), false},
		{"higher MED", with(func(r *Route) { r.MED, r.Since = 1, day.Add(-time.Hour) }), false},
		{"higher MED of another AS, but older", with(func(r *Route) { r.MED, r.ASPath, r.Since = 1, []uint32{65002}, day.Add(-time.Hour) }), true},
		{"older", with(func(r *Route) { r.Since = day.Add(-time.Hour) }), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rib{}
			r.put(base)
			r.put(tt.other)
			want := hostA
			if tt.wins {
				want = hostB
			}
			if got := r.best(vip).From; got != want {
				t.Errorf("best is from %s, want %s", got, want)
			}
			if got := r.all(); got[0].From != want || !got[0].Best || got[1].Best {
				t.Errorf("table %+v: want the route of %s first, and it alone the best", got, want)
			}
		})
	}
}

func TestSameRouteAgainIsNoYounger(t *testing.T) {
	r := rib{}
	r.put(Route{Prefix: vip, From: hostA, Communities: []plugins.Community{1}, Since: day})
	r.put(Route{Prefix: vip, From: hostA, Communities: []plugins.Community{1}, Since: day.Add(time.Hour)})
	if got := r.best(vip).Since; !got.Equal(day) {
		t.Errorf("after a refresh the route is since %s, want %s", got, day)
	}
	r.put(Route{Prefix: vip, From: hostA, Communities: []plugins.Community{2}, Since: day.Add(time.Hour)})
	if got := r.best(vip); !got.Since.Equal(day.Add(time.Hour)) || len(r[vip]) != 1 {
		t.Errorf("after a change the route is %+v of %d, want the new one alone", got, len(r[vip]))
	}
}

// TestTableHoldsWhatWasSaidLast compares the table with the plainest one there is.
func TestTableHoldsWhatWasSaidLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type key struct {
			prefix netip.Prefix
			from   netip.Addr
		}
		prefixes := []netip.Prefix{vip, netip.MustParsePrefix("2001:db8:1::/64")}
		r, model := rib{}, map[key]uint32{}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			k := key{rapid.SampledFrom(prefixes).Draw(t, "prefix"), rapid.SampledFrom([]netip.Addr{hostA, hostB}).Draw(t, "from")}
			if rapid.Bool().Draw(t, "withdraw") {
				r.remove(k.prefix, k.from)
				delete(model, k)
				continue
			}
			pref := rapid.Uint32Range(1, 3).Draw(t, "local_pref")
			r.put(Route{Prefix: k.prefix, From: k.from, LocalPref: pref})
			model[k] = pref
		}
		got, best := map[key]uint32{}, map[netip.Prefix]uint32{}
		for _, x := range r.all() {
			got[key{x.Prefix, x.From}] = x.LocalPref
			if x.Best {
				best[x.Prefix] = x.LocalPref
			}
		}
		same := cmp.Comparer(func(a, b key) bool { return a == b })
		if d := cmp.Diff(model, got, same); d != "" {
			t.Fatalf("table (-want +got):\n%s", d)
		}
		for k, pref := range model {
			if best[k.prefix] < pref {
				t.Fatalf("best of %s has LOCAL_PREF %d, %s sent %d", k.prefix, best[k.prefix], k.from, pref)
			}
		}
	})
}

func TestPolicyLinode(t *testing.T) {
	const (
		primary   = plugins.Community(65000<<16 | 1)
		secondary = plugins.Community(65000<<16 | 2)
	)
	for _, tt := range []struct {
		prefix      string
		communities []plugins.Community
		pref        uint32
		ok          bool
	}{
		{"198.18.0.1/32", []plugins.Community{primary}, 200, true},
		{"198.18.0.1/32", []plugins.Community{secondary, plugins.GracefulShutdown}, 100, true},
		{"198.18.0.0/24", []plugins.Community{primary}, 0, false},
		{"198.18.0.1/32", nil, 0, false},
		{"198.18.0.1/32", []plugins.Community{3}, 0, false},
		{"2001:db8::/64", []plugins.Community{primary}, 200, true},
		{"2001:db8::/56", []plugins.Community{secondary}, 100, true},
		{"2001:db8::/48", []plugins.Community{primary}, 0, false},
		{"2001:db8::1/128", []plugins.Community{primary}, 0, false},
	} {
		pref, ok := Linode(Route{Prefix: netip.MustParsePrefix(tt.prefix), Communities: tt.communities, LocalPref: 100})
		if ok != tt.ok || ok && pref != tt.pref {
			t.Errorf("%s with %v: LOCAL_PREF %d, %v; want %d, %v", tt.prefix, tt.communities, pref, ok, tt.pref, tt.ok)
		}
	}
}

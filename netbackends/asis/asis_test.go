package asis

import (
	"context"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/netbackends/internal/nstest"
	"github.com/stentor-net/stentor/plugins"
)

// TestLeavesAllAlone asks for one address that stands and one that does not.
func TestLeavesAllAlone(t *testing.T) {
	ns := nstest.New(t)
	ns.IP("address add 203.0.113.10/32 dev lo")
	ctx := context.Background()
	web := plugins.VIP{Name: "web", Addr: netip.MustParseAddr("203.0.113.10"), Link: "lo"}
	api := plugins.VIP{Name: "api", Addr: netip.MustParseAddr("203.0.113.11"), Link: "lo"}
	b := New()
	before := ns.IP("address show")
	ns.Do(func() {
		for _, c := range []struct {
			want  []plugins.VIP
			steps []plugins.Step
			seen  []plugins.VIPState
		}{
			{[]plugins.VIP{web, api}, []plugins.Step{{Verb: "adopt", Object: "address 203.0.113.10"}, {Verb: "adopt", Object: "address 203.0.113.11"}},
				[]plugins.VIPState{{VIP: web, OnHost: true, Adopted: true}, {VIP: api, Adopted: true}}},
			{[]plugins.VIP{web, api}, nil, []plugins.VIPState{{VIP: web, OnHost: true, Adopted: true}, {VIP: api, Adopted: true}}},
			{[]plugins.VIP{api}, []plugins.Step{{Verb: "release", Object: "address 203.0.113.10"}}, []plugins.VIPState{{VIP: api, Adopted: true}}},
			{nil, []plugins.Step{{Verb: "release", Object: "address 203.0.113.11"}}, []plugins.VIPState{}},
		} {
			plan, err := b.Plan(ctx, c.want)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Apply(ctx, c.want); err != nil {
				t.Fatal(err)
			}
			seen, err := b.Observe(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.steps, plan.Steps); diff != "" {
				t.Errorf("steps to %v: %s", c.want, diff)
			}
			if diff := cmp.Diff(c.seen, seen, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("seen with %v: %s", c.want, diff)
			}
		}
	})
	if diff := cmp.Diff(before, ns.IP("address show")); diff != "" {
		t.Errorf("the host was changed: %s", diff)
	}
}

package config

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stentor-net/stentor/plugins"
)

func u32(v uint32) *uint32 { return &v }

func TestRoles(t *testing.T) {
	const ebgp = "[bgp]\nasn = 65001\n[bgp.peer.e]\naddress = \"192.0.2.1\"\nasn = 64512\n"
	const ibgp = "[bgp]\nasn = 65001\n[bgp.peer.i]\naddress = \"192.0.2.2\"\nasn = 65001\n"
	const both = ebgp + "[bgp.peer.i]\naddress = \"192.0.2.2\"\nasn = 65001\n"
	const linode = "[bgp]\nprovider = \"linode\"\ndcid = 4\n"
	prim, sec, shut := plugins.Community(65000<<16|1), plugins.Community(65000<<16|2), plugins.GracefulShutdown
	cs := func(c ...plugins.Community) []plugins.Community { return c }
	for _, c := range []struct {
		name, head, vip string
		want, drained   Attrs
	}{
		{"eBGP primary", ebgp, `role = "primary"`, Attrs{}, Attrs{Communities: cs(shut), Prepend: 2}},
		{"eBGP secondary", ebgp, `role = "secondary"`, Attrs{Prepend: 2}, Attrs{Communities: cs(shut), Prepend: 2}},
		{"iBGP primary", ibgp, `role = "primary"`, Attrs{LocalPref: u32(100)}, Attrs{Communities: cs(shut), LocalPref: u32(0)}},
		{"iBGP secondary", ibgp, `role = "secondary"`, Attrs{LocalPref: u32(50)}, Attrs{Communities: cs(shut), LocalPref: u32(0)}},
		{"both primary", both, `role = "primary"`, Attrs{LocalPref: u32(100), MED: u32(0)}, Attrs{Communities: cs(shut), LocalPref: u32(0), MED: u32(100)}},
		{"one of both", both, "role = \"secondary\"\npeers = [\"e\"]", Attrs{Prepend: 2}, Attrs{Communities: cs(shut), Prepend: 2}},
		{"linode primary", linode, `role = "primary"`, Attrs{Communities: cs(prim)}, Attrs{Communities: cs(sec, shut)}},
		{"linode secondary", linode, `role = "secondary"`, Attrs{Communities: cs(sec)}, Attrs{Communities: cs(sec, shut)}},
		{"role overrides provider", linode + "[bgp.role.primary]\nmed = 7\n[bgp.role.secondary]\ncommunities = [\"65000:3\"]\n", `role = "primary"`,
			Attrs{Communities: cs(prim), MED: u32(7)}, Attrs{Communities: cs(65000<<16|3, shut), MED: u32(7)}},
		{"VIP overrides role", linode, "role = \"primary\"\ncommunities = [\"65000:9\", \"no-export\"]\nprepend = 5", Attrs{Communities: cs(65000<<16|9, noExport), Prepend: 5},
			Attrs{Communities: cs(sec, noExport, shut), Prepend: 5}},
		{"own communities of a secondary stay", linode, "role = \"secondary\"\ncommunities = [\"65000:9\"]", Attrs{Communities: cs(65000<<16 | 9)}, Attrs{Communities: cs(65000<<16|9, shut)}},
		{"attractive secondary", ebgp, "role = \"secondary\"\nprepend = 0", Attrs{}, Attrs{Communities: cs(shut), Prepend: 2}},
		{"no communities", linode, "role = \"primary\"\ncommunities = []", Attrs{Communities: cs()}, Attrs{Communities: cs(sec, shut)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := mustLoad(t, c.head+"[vip.web]\naddress = \"203.0.113.10/32\"\n"+c.vip+"\n").VIPs[0]
			if !v.Attrs.equal(c.want) {
				t.Errorf("attributes: %s", cmp.Diff(c.want, v.Attrs))
			}
			if !v.DrainAttrs.equal(c.drained) {
				t.Errorf("drained: %s", cmp.Diff(c.drained, v.DrainAttrs))
			}
		})
	}
}

// TestDrainedIsNeverBetter: by no attribute that peers compare is a drained VIP
// better than a secondary or than itself before.
func TestDrainedIsNeverBetter(t *testing.T) {
	optional := rapid.Ptr(rapid.Uint32(), true)
	attrs := rapid.Custom(func(t *rapid.T) Attrs {
		return Attrs{
			Communities: rapid.SliceOfDistinct(rapid.SampledFrom([]plugins.Community{1, 2, 3, noExport, noPeer, plugins.GracefulShutdown}), rapid.ID).Draw(t, "communities"),
			MED:         optional.Draw(t, "med"),
			LocalPref:   optional.Draw(t, "local_pref"),
			Prepend:     rapid.IntRange(0, 32).Draw(t, "prepend"),
		}
	})
	med := func(a Attrs) uint32 {
		if a.MED == nil {
			return 0
		}
		return *a.MED
	}
	rapid.Check(t, func(t *rapid.T) {
		own, secondary := attrs.Draw(t, "own"), attrs.Draw(t, "secondary")
		role := rapid.SampledFrom([]Role{Primary, Secondary}).Draw(t, "role")
		before := slices.Clone(secondary.Communities)
		got := drained(own, secondary, role)
		for _, other := range []Attrs{own, secondary} {
			if got.Prepend < other.Prepend || med(got) < med(other) {
				t.Fatalf("%+v is better than %+v", got, other)
			}
			if other.LocalPref != nil && (got.LocalPref == nil || *got.LocalPref > *other.LocalPref) {
				t.Fatalf("LOCAL_PREF of %+v is better than of %+v", got, other)
			}
		}
		if !slices.Contains(got.Communities, plugins.GracefulShutdown) {
			t.Fatal("no GRACEFUL_SHUTDOWN")
		}
		for _, c := range own.Communities {
			if c >= noExport && c <= noPeer && !slices.Contains(got.Communities, c) {
				t.Fatalf("%s is lost, and the route leaks", c)
			}
		}
		if !slices.Equal(before, secondary.Communities) {
			t.Fatal("the role's own list was changed")
		}
	})
}

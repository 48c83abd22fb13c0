package networkmanager

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stentor-net/stentor/plugins"
)

// A shared IP that somebody put on lo is used there, and stays, whatever
// NetworkManager does with lo on our behalf.
func TestAdoptOnLoopback(t *testing.T) {
	r := newRig(t)
	if !r.version().atLeast(loopbackSince) {
		return // TestLoopback has it
	}
	const theirs = "203.0.113.10/32 lo"
	r.ns.IP("address add 203.0.113.10/32 dev lo")
	for i, c := range []struct{ want, plan, host []string }{
		{want: []string{web}, plan: []string{"adopt address 203.0.113.10/32 on lo"}, host: []string{theirs}},
		{want: []string{web, dns},
			plan: []string{"add /etc/NetworkManager/system-connections/stentor.nmconnection", "add address 2001:db8::10/128 on lo",
				"put back address 203.0.113.10/32 on lo"},
			host: []string{"2001:db8::10/128 lo", theirs}},
		{want: []string{web, dns, api}, host: []string{"2001:db8::10/128 lo", theirs, "203.0.113.11/32 lo"}},
		{want: []string{dns, api}, host: []string{"2001:db8::10/128 lo", theirs, "203.0.113.11/32 lo"}},
		{want: []string{web, dns}, host: []string{"2001:db8::10/128 lo", theirs}},
		{host: []string{theirs}},
	} {
		b := r.backend(loopback)
		plan, err := r.tryPlan(b, c.want...)
		if d := cmp.Diff(c.plan, plan); err != nil || c.plan != nil && d != "" {
			t.Errorf("call %d: plan (-want +got): %v\n%s", i, err, d)
		}
		r.mustApply(b, c.want...)
		if d := cmp.Diff(c.host, r.addresses()); d != "" {
			t.Errorf("call %d: host (-want +got):\n%s", i, d)
		}
		b = r.backend(loopback)
		if again := r.plan(b, c.want...); len(again) > 0 {
			t.Errorf("call %d: a second Apply would %v", i, again)
		}
		for _, s := range r.observe(b) {
			want := plugins.VIPState{VIP: s.VIP, OnHost: true, Adopted: s.Addr == netip.MustParseAddr("203.0.113.10")}
			if d := cmp.Diff(want, s, cmpopts.EquateComparable(netip.Addr{})); d != "" {
				t.Errorf("call %d: Observe (-want +got):\n%s", i, d)
			}
		}
		r.loStands()
	}
	if f := r.files(); len(f) > 0 {
		t.Errorf("it left %v", f)
	}
}

// With --force everything that others have on lo is put back.
func TestForceOnLoopback(t *testing.T) {
	r := newRig(t)
	if !r.version().atLeast(loopbackSince) {
		return // TestLoopback has it
	}
	for _, a := range []string{"198.51.100.9/32", "2001:db8:9::9/128"} {
		r.ns.IP("address add " + a + " dev lo")
	}
	theirs := []string{"198.51.100.9/32 lo", "2001:db8:9::9/128 lo"}
	r.refused(r.backend(loopback), "--force", web)
	if d := cmp.Diff(theirs, r.addresses()); d != "" {
		t.Errorf("host (-want +got):\n%s", d)
	}
	b := r.backend(loopback)
	b.force = true
	for i, c := range []struct{ want, host []string }{
		{want: []string{web}, host: []string{"198.51.100.9/32 lo", "2001:db8:9::9/128 lo", "203.0.113.10/32 lo"}},
		{want: []string{api}, host: []string{"198.51.100.9/32 lo", "2001:db8:9::9/128 lo", "203.0.113.11/32 lo"}},
		{host: theirs},
	} {
		r.mustApply(b, c.want...)
		if d := cmp.Diff(c.host, r.addresses()); d != "" {
			t.Errorf("call %d: host (-want +got):\n%s", i, d)
		}
		if again := r.plan(r.backend(loopback), c.want...); len(again) > 0 { // without force
			t.Errorf("call %d: a second Apply would %v", i, again)
		}
		r.loStands()
	}
	if f := r.files(); len(f) > 0 {
		t.Errorf("it left %v", f)
	}
	// An address whose prefix is longer can't be put back as it was.
	r.ns.IP("address add 198.18.0.1/24 dev lo")
	r.refused(b, "lo carries 198.18.0.1", web)
}

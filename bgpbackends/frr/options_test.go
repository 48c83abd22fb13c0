package frr

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/contrib/lab/rs"
	"github.com/stentor-net/stentor/plugins"
)

// TestOptions: each option of the contract, as the peers see it.
func TestOptions(t *testing.T) { onEachFRR(t, options) }

func options(t *testing.T, put installer) {
	o := lab.Linode(4, 3)
	o.Peers[0].Password = "pass!wo#rd"
	o.Peers[1].TTL, o.Peers[1].TTLSecurity = 0, 2 // a router is between
	o.Peers[2].Password = "another"
	r := newRigWith(t, put, o, strings.Replace(operator, "2600:3c0f:4:34::2", "2600:3c0f:4:34::9", -1))
	before := r.config()

	number := func(n uint32) *uint32 { return &n }
	a, b := announce(vipA, primary), announce(vipB, primary)
	a.LargeCommunities = []plugins.LargeCommunity{{Global: 65001, Local1: 2, Local2: 3}}
	a.MED, a.Prepend = number(77), 2
	b.Peers, b.NextHop = []string{"rs2"}, netip.MustParseAddr("2600:3c0f:a:a::77")
	want := r.speaker(a, b)
	want.Peers[0].LocalAddr = netip.MustParseAddr("2600:3c0f:a:a::11")
	want.Peers[1].BFD = &plugins.BFD{TX: 300 * time.Millisecond, RX: 250 * time.Millisecond, Multiplier: 3}
	want.Peers[2].Password = "wrong"
	r.apply(want)
	if p, err := r.b.Plan(r.ctx, want); err != nil || len(p.Steps) > 0 {
		t.Errorf("left to do: %+v, %v", p, err)
	}
	for _, server := range []string{"rs1", "rs2"} {
		x := r.route(server, vipA, withRole(primary))
		if !slices.Equal(x.ASPath, []uint32{65001, 65001, 65001}) || x.MED != 77 || !slices.Equal(x.LargeCommunities, a.LargeCommunities) {
			t.Errorf("at %s: %+v", server, x)
		}
	}
	if x := r.route("rs2", vipB, withRole(primary)); x.NextHop != b.NextHop {
		t.Errorf("next hop: %+v", x)
	}
	if e := of(r.events("rs1"), vipB, time.Time{}); len(e) > 0 {
		t.Errorf("rs1 was told what is for rs2: %+v", e)
	}
	r.until("word of the wrong password, and of no trouble with rs1", func() (bool, any) {
		s := r.told()
		if strings.Contains(s, "wrong") {
			t.Fatalf("Observe: %s", s)
		}
		return strings.Contains(s, "check the password") && strings.Contains(s, "rs1 established ["+vipA+"] \"\""), s
	})

	// Now for rs1 as well, by way of its map, which has another entry then.
	b.Peers = []string{"rs1", "rs2"}
	want.Announcements[1] = b
	since := time.Now()
	r.apply(want)
	r.route("rs1", vipB, withRole(primary))
	for _, e := range append(r.events("rs1"), r.events("rs2")...) {
		if !e.Time.Before(since) && e.Kind != rs.Update {
			t.Errorf("a change of peers did more than tell: %+v", e)
		}
	}
	r.apply(plugins.Speaker{})
	if d := cmp.Diff(before, r.config()); d != "" {
		t.Errorf("traces of ours:\n%s", d)
	}
}

// TestResolveViaDefault: the setting that a Linode host needs is named where it
// is missing, set on request, and put back.
func TestResolveViaDefault(t *testing.T) { onEachFRR(t, resolveViaDefault) }

func resolveViaDefault(t *testing.T, put installer) {
	r := newRig(t, put, lab.Embedded, 1, strings.NewReplacer("ip nht", "no ip nht", "ipv6 nht", "no ipv6 nht").Replace(operator))
	before := r.config()
	want := r.speaker(announce(vipA, primary))
	r.apply(want)
	r.until("the reason", func() (bool, any) {
		s := r.told()
		return strings.Contains(s, "set resolve_via_default = true"), s
	})
	r.b = r.newBackend(map[string]any{"resolve_via_default": true})
	r.apply(want)
	r.route("rs1", vipA, withRole(primary))
	// What is the default, which it is since FRR 9, is not printed.
	set := func(line string) bool {
		if no := "\nno " + line + "\n"; strings.Contains(before, no) {
			return !strings.Contains(r.config(), no)
		}
		return strings.Contains(r.config(), "\n"+line+"\n")
	}
	if !set(resolve6) || set(resolve4) {
		t.Errorf("want the line for IPv6, the peers' family, alone:\n%s", r.config())
	}
	r.b = r.newBackend(nil) // no longer asked for
	r.apply(want)
	if set(resolve6) {
		t.Errorf("still set:\n%s", r.config())
	}
	r.apply(plugins.Speaker{})
	if d := cmp.Diff(before, r.config()); d != "" {
		t.Errorf("traces of ours:\n%s", d)
	}
}

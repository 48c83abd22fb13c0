package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stentor-net/stentor/plugins"
)

const (
	ebgpPeer = "[bgp]\nasn = 65001\n[bgp.peer.e]\naddress = \"192.0.2.1\"\nasn = 64512\n"
	ibgpPeer = "[bgp]\nasn = 65001\n[bgp.peer.i]\naddress = \"192.0.2.2\"\nasn = 65001\n"
	bothPeer = ebgpPeer + "[bgp.peer.i]\naddress = \"192.0.2.2\"\nasn = 65001\n"
	atLinode = "[bgp]\nprovider = \"linode\"\ndcid = 4\n"
)

// load1 is the one VIP of a config.
func load1(t *testing.T, head, vip string) VIP {
	t.Helper()
	return mustLoad(t, head+"[vip.web]\naddress = \"203.0.113.10/32\"\n"+vip+"\n").VIPs[0]
}

func TestDemotedAttrs(t *testing.T) {
	sec, noX := plugins.Community(65000<<16|2), noExport
	cs := func(c ...plugins.Community) []plugins.Community { return c }
	for _, c := range []struct {
		name, head, vip string
		want            Attrs
	}{
		{"eBGP primary", ebgpPeer, `role = "primary"`, Attrs{Prepend: 4}},
		{"eBGP secondary", ebgpPeer, `role = "secondary"`, Attrs{Prepend: 6}},
		{"iBGP primary", ibgpPeer, `role = "primary"`, Attrs{LocalPref: u32(25)}},
		{"iBGP secondary", ibgpPeer, `role = "secondary"`, Attrs{LocalPref: u32(12)}},
		{"both, primary", bothPeer, `role = "primary"`, Attrs{LocalPref: u32(25), MED: u32(200)}},
		{"both, secondary", bothPeer, `role = "secondary"`, Attrs{LocalPref: u32(12), MED: u32(300)}},
		{"linode primary", atLinode, `role = "primary"`, Attrs{Communities: cs(sec), Prepend: 2}},
		{"linode secondary", atLinode, `role = "secondary"`, Attrs{Communities: cs(sec), Prepend: 4}},
		{"its own MED and no-export", atLinode, "role = \"primary\"\nmed = 7\ncommunities = [\"no-export\"]", Attrs{Communities: cs(sec, noX), MED: u32(107), Prepend: 2}},
		{"a MED at its end", ebgpPeer, "role = \"primary\"\nmed = 4294967290", Attrs{MED: u32(4294967295), Prepend: 4}},
		{"a path at its end", ebgpPeer, "role = \"primary\"\nprepend = 32", Attrs{Prepend: 32}},
		{"as the role demoted says", atLinode + "[bgp.role.demoted]\ncommunities = [\"65000:9\"]\nprepend = 1\n", `role = "primary"`, Attrs{Communities: cs(65000<<16 | 9), Prepend: 1}},
	} {
		if got := load1(t, c.head, c.vip).DemotedAttrs; !got.equal(c.want) {
			t.Errorf("%s: %s", c.name, cmp.Diff(c.want, got))
		}
	}
}

// TestDemotedStandsLast: whatever the roles differ by, a demoted host comes
// after every healthy one, and of two demoted ones the primary comes first.
func TestDemotedStandsLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var primary, secondary Attrs
		step := rapid.Uint32Range(0, 200)
		canPrepend := rapid.Bool().Draw(t, "prepend")
		if canPrepend {
			primary.Prepend = rapid.IntRange(0, 10).Draw(t, "prepend")
			secondary.Prepend = primary.Prepend + rapid.IntRange(1, 10).Draw(t, "more")
		} else {
			low := step.Draw(t, "low")
			primary.LocalPref, secondary.LocalPref = u32(low+9), u32(low+8)
			if rapid.Bool().Draw(t, "med too") {
				primary.MED, secondary.MED = u32(step.Draw(t, "med")), u32(250)
			}
		}
		row := []Attrs{secondary, demoted(primary, secondary, Primary, canPrepend), demoted(secondary, secondary, Secondary, canPrepend)}
		for i := range row[1:] {
			better, worse := row[i], row[i+1]
			longer := worse.Prepend > better.Prepend
			lower := better.LocalPref != nil && *worse.LocalPref < *better.LocalPref
			higher := better.MED == nil || *worse.MED > *better.MED
			if canPrepend && !longer || !canPrepend && !(lower && higher) {
				t.Fatalf("%d is no worse than the one before: %+v, %+v", i+1, better, worse)
			}
		}
	})
}

func TestFailover(t *testing.T) {
	plain := load1(t, atLinode, `role = "primary"`).Failover
	if diff := cmp.Diff(Failover{OnUnhealthy: UnhealthyWithdraw}, plain); diff != "" {
		t.Errorf("defaults: %s", diff)
	}
	full := load1(t, atLinode+"[damping]\nhalf_life = \"2m\"\nmax_suppress = \"1h\"\n[check.dns]\ndns = \"127.0.0.1\"\nquery = \"example.com\"\n",
		"role = \"primary\"\nchecks = [\"dns\"]\non_unhealthy = \"demote\"\nrecovery_delay = \"30s\"\nstart_delay = \"10s\"\nmin_announce = \"1m\"\npreempt = false").Failover
	want := Failover{OnUnhealthy: UnhealthyDemote, RecoveryDelay: 30 * time.Second, StartDelay: 10 * time.Second, MinAnnounce: time.Minute, NoPreempt: true,
		Damping: &Damping{Penalty: 1000, Suppress: 3000, Reuse: 1000, HalfLife: 2 * time.Minute, MaxSuppress: time.Hour}}
	if diff := cmp.Diff(want, full); diff != "" {
		t.Errorf("all keys: %s", diff)
	}
	if got := full.Damping.Ceiling(); got != maxPenalty {
		t.Errorf("the ceiling is %g", got)
	}
	bgp := mustLoad(t, "[bgp]\nasn = 65001\non_exit = \"drain\"\ndrain_address = \"remove\"\n[bgp.peer.e]\naddress = \"192.0.2.1\"\nasn = 64512\n").BGP
	if bgp.OnExit != OnExitDrain || !bgp.DrainRemoves {
		t.Errorf("%+v", bgp)
	}
}

// TestDemotionWithoutPrepend: a backend that can't prepend is not asked to.
func TestDemotionWithoutPrepend(t *testing.T) {
	_, secondary := Attrs{}, Attrs{Communities: []plugins.Community{1}}
	if got := demoted(Attrs{}, secondary, Primary, false); got.Prepend != 0 || !got.equal(secondary) {
		t.Errorf("%+v", got)
	}
}

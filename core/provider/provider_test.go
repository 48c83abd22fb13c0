package provider

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

func TestLinodePeers(t *testing.T) {
	for dcid, want := range map[int]string{4: "2600:3c0f:4:34::1", 22: "2600:3c0f:22:34::1", 9999: "2600:3c0f:9999:34::1"} {
		peers := linode().PeersAt(dcid)
		if len(peers) != 4 || peers[0] != (Peer{"rs1", netip.MustParseAddr(want)}) {
			t.Errorf("%d: %v", dcid, peers)
		}
	}
	if got := linode().PeersAt(4)[3]; got != (Peer{"rs4", netip.MustParseAddr("2600:3c0f:4:34::4")}) {
		t.Errorf("the last one is %v", got)
	}
	if got := linode().PeersAt(10000); got != nil {
		t.Errorf("five digits give %v", got)
	}
}

func TestLinodeRegions(t *testing.T) {
	p := linode()
	ids, slugs := map[int]bool{}, map[string]bool{}
	for _, r := range p.Regions {
		if ids[r.DCID] || slugs[r.Slug] || r.Name == "" {
			t.Errorf("%+v is there twice or has no name", r)
		}
		ids[r.DCID], slugs[r.Slug] = true, true
	}
	if len(ids) != 29 {
		t.Errorf("%d regions", len(ids))
	}
	for slug, id := range map[string]int{"us-southeast": 4, "eu-central": 10, "nl-ams": 22, "sg-sin-2": 48} {
		bySlug, ok1 := p.Region(slug)
		byID, ok2 := p.RegionAt(id)
		if !ok1 || !ok2 || bySlug != byID || bySlug.DCID != id {
			t.Errorf("%s: %+v and %+v", slug, bySlug, byID)
		}
	}
	if r, _ := p.RegionAt(3); !r.NoIPSharing {
		t.Error("Fremont has no IP Sharing")
	}
	if _, ok := p.Region("mars-1"); ok {
		t.Error("mars-1 is found")
	}
	if _, ok := p.RegionAt(0); ok {
		t.Error("0 is found")
	}
}

// TestSound checks what the config relies on for every provider.
func TestSound(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	if !slices.IsSorted(Names()) {
		t.Errorf("not sorted: %v", Names())
	}
	for _, p := range All() {
		if got, ok := Lookup(p.Name); !ok || got.Name != p.Name {
			t.Errorf("%s is not found", p.Name)
		}
		peers := p.Peers
		for _, r := range p.Regions {
			peers = append(peers, p.PeersAt(r.DCID)...)
		}
		for _, peer := range peers {
			if !name.MatchString(peer.Name) || !peer.Addr.IsValid() {
				t.Errorf("%s: peer %+v", p.Name, peer)
			}
		}
		if (len(p.Regions) > 0) != (p.PeersAt != nil) {
			t.Errorf("%s: regions without PeersAt, or the other way round", p.Name)
		}
		if p.Hold < 3*time.Second || p.Keepalive > p.Hold/3 || p.ConnectRetry <= 0 || p.TTL < 0 || p.TTL > 255 {
			t.Errorf("%s: timers or TTL are out of range", p.Name)
		}
		if p.ASN == 0 && p.ASNHint == "" || p.NeedsPassword && p.PasswordHint == "" {
			t.Errorf("%s: asks for something and does not say where it is", p.Name)
		}
		if len(peers) > 0 && p.PeerASN == 0 {
			t.Errorf("%s: peers without an ASN", p.Name)
		}
	}
	if _, ok := Lookup("nosuch"); ok {
		t.Error("nosuch is found")
	}
}

func TestLengths(t *testing.T) {
	p := linode()
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	if diff := cmp.Diff([][]int{{32}, {56, 64}}, [][]int{p.Lengths(v4), p.Lengths(v6)}); diff != "" {
		t.Error(diff)
	}
	if got := generic().Lengths(v4); len(got) != 0 {
		t.Errorf("generic takes only %v", got)
	}
}

func TestRoles(t *testing.T) {
	for _, c := range []struct {
		provider           Provider
		ibgp, ebgp         bool
		primary, secondary Attrs
	}{
		{linode(), false, true, Attrs{Communities: []plugins.Community{4259840001}}, Attrs{Communities: []plugins.Community{4259840002}}},
		{linode(), true, true, Attrs{Communities: []plugins.Community{4259840001}}, Attrs{Communities: []plugins.Community{4259840002}}},
		{generic(), false, true, Attrs{}, Attrs{Prepend: 2}},
		{generic(), true, false, Attrs{LocalPref: u32(100)}, Attrs{LocalPref: u32(50)}},
		{vultr(), true, true, Attrs{LocalPref: u32(100), MED: u32(0)}, Attrs{LocalPref: u32(50), MED: u32(100)}},
	} {
		primary, secondary := c.provider.Roles(c.ibgp, c.ebgp)
		if diff := cmp.Diff([]Attrs{c.primary, c.secondary}, []Attrs{primary, secondary}); diff != "" {
			t.Errorf("%s, iBGP %v, eBGP %v: %s", c.provider.Name, c.ibgp, c.ebgp, diff)
		}
	}
	if got := fmt.Sprint(linode().Primary, linode().Secondary); got != "[65000:1] [65000:2]" {
		t.Errorf("linode's communities are %s", got)
	}
}

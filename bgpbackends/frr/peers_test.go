package frr

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/plugins"
)

// TestPeers: peers of each sort are told the same prefixes, and by their own
// kind of next hop.
func TestPeers(t *testing.T) { onEachFRR(t, peers) }

func peers(t *testing.T, put installer) {
	hostV4, hostV6 := netip.MustParseAddr("100.64.10.2"), netip.MustParseAddr("2600:3c0f:a:a::11")
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8:99::1")
	on4, on6 := netip.MustParseAddr("100.64.10.9"), netip.MustParseAddr("2600:3c0f:a:a::9") // in the host's own networks
	for name, c := range map[string]struct {
		peer plugins.Peer
		hop4 netip.Addr // of the IPv4 prefix
		path []uint32
	}{
		"IPv4, one hop":    {plugins.Peer{Addr: on4, ASN: 64512}, hostV4, []uint32{65001}},
		"IPv4, multihop":   {plugins.Peer{Addr: v4, ASN: 64512, TTL: 3}, hostV4, []uint32{65001}},
		"IPv4, same AS":    {plugins.Peer{Addr: v4, ASN: 65001}, hostV4, nil},
		"IPv6, one hop":    {plugins.Peer{Addr: on6, ASN: 64512}, hostV6, []uint32{65001}},
		"IPv6, same AS":    {plugins.Peer{Addr: v6, ASN: 65001}, hostV6, nil},
		"IPv6, 4-byte ASN": {plugins.Peer{Addr: v6, ASN: 4200000000, TTL: 3}, hostV6, []uint32{65001}},
	} {
		t.Run(name, func(t *testing.T) {
			c.peer.Name = "rs1"
			r := newRigWith(t, put, lab.Peering([]plugins.Peer{c.peer}, 65001), strings.Replace(operator, "2600:3c0f:4:34::2", "2600:3c0f:4:34::9", -1))
			pref := uint32(250)
			a, b := announce(vipA, primary), announce(vipB, primary)
			a.LocalPref, b.LocalPref = &pref, &pref
			r.apply(r.speaker(a, b))
			for prefix, hop := range map[string]netip.Addr{vipA: c.hop4, vipB: hostV6} {
				x := r.route("rs1", prefix, withRole(primary))
				if x.NextHop != hop || !slices.Equal(x.ASPath, c.path) {
					t.Errorf("%+v: want next hop %s and path %v", x, hop, c.path)
				}
				if c.path == nil && x.LocalPref != pref {
					t.Errorf("%+v: want local preference %d", x, pref)
				}
			}
			if p, err := r.b.Plan(r.ctx, r.speaker(a, b)); err != nil || len(p.Steps) > 0 {
				t.Errorf("left to do: %+v, %v", p, err)
			}
		})
	}
}

// TestPasswordMissing: a peer that wants a password is named with what to
// look at, and the other one is served.
func TestPasswordMissing(t *testing.T) {
	o := lab.Linode(4, 2)
	o.Peers[0].Password = "s3cret"
	r := newRigWith(t, ownFRR, o, strings.Replace(operator, "2600:3c0f:4:34::2", "2600:3c0f:4:34::9", -1))
	want := r.speaker(announce(vipA, primary))
	want.Peers[0].Password = ""
	r.apply(want)
	r.route("rs2", vipA, withRole(primary))
	r.until("word of the password", func() (bool, any) {
		s := r.told()
		return strings.Contains(s, "whether the peer wants a password") && strings.Contains(s, "rs2 established ["+vipA+`] ""`), s
	})
}

// farFRR is the configuration of a route server that does not know RFC 8950.
const farFRR = `frr defaults traditional
ip nht resolve-via-default
ipv6 nht resolve-via-default
bfd
 profile fast
  receive-interval 100
  transmit-interval 100
 exit
exit
router bgp 65000
 bgp router-id 192.0.2.1
 no bgp ebgp-requires-policy
 neighbor 2600:3c0f:a:a::11 remote-as 65001
 neighbor 2600:3c0f:a:a::11 ebgp-multihop 16
 neighbor 2600:3c0f:a:a::11 update-source 2600:3c0f:4:34::1
 neighbor 2600:3c0f:a:a::11 passive
 neighbor 2600:3c0f:a:a::11 timers connect 1
 neighbor 2600:3c0f:a:a::11 bfd
 neighbor 2600:3c0f:a:a::11 bfd profile fast
 address-family ipv6 unicast
  neighbor 2600:3c0f:a:a::11 activate
 exit-address-family
exit
`

// TestFarFRR: another FRR at the other end of a session with BFD. A path that
// goes silent ends the session long before the Hold Time; it comes back.
func TestFarFRR(t *testing.T) { onEachFRR(t, far) }

func far(t *testing.T, put installer) {
	r := newRig(t, put, lab.Embedded, 1, strings.Replace(operator, "2600:3c0f:4:34::2", "2600:3c0f:4:34::9", -1))
	if err := r.StopRouteServer(r.ctx, "rs1", true); err != nil {
		t.Fatal(err)
	}
	other := put(r.ctx, t, filepath.Join(r.Dir(), "far"))
	if err := os.WriteFile(other.conf, []byte(farFRR), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range other.daemons {
		r.launch("rs1", other, name)
	}
	if out, err := other.shell("-b").CombinedOutput(); err != nil {
		t.Fatalf("vtysh -b: %v: %s", err, out)
	}
	want := r.speaker(announce(vipA, primary), announce(vipB, primary))
	want.Peers[0].Hold, want.Peers[0].Keepalive = 60*time.Second, 20*time.Second
	want.Peers[0].BFD = &plugins.BFD{TX: 100 * time.Millisecond, RX: 100 * time.Millisecond, Multiplier: 3}
	r.apply(want)
	up := func() {
		t.Helper()
		r.until("BFD and the session", func() (bool, any) {
			bfd, s := r.vtysh("show bfd peers json"), r.told()
			return strings.Contains(s, "established ["+vipA+" "+vipB+"]") && strings.Contains(strings.ReplaceAll(bfd, " ", ""), `"status":"up"`), s + bfd
		})
	}
	up()
	// What this end has sent, the other one may not have read yet.
	r.until(vipA+" at the other end with the host's IPv4 address as next hop, as it has no RFC 8950", func() (bool, any) {
		out, err := other.shell("-c", "show bgp ipv4 unicast "+vipA+" json").Output()
		var table struct {
			Paths []struct {
				NextHops []struct {
					IP netip.Addr `json:"ip"`
				} `json:"nexthops"`
			} `json:"paths"`
		}
		if err == nil {
			err = json.Unmarshal(out, &table)
		}
		ok := err == nil && len(table.Paths) == 1 && len(table.Paths[0].NextHops) > 0
		return ok && table.Paths[0].NextHops[0].IP == netip.MustParseAddr("100.64.10.2"), fmt.Sprintf("%v\n%s", err, out)
	})
	if err := r.Cut(lab.HostA); err != nil {
		t.Fatal(err)
	}
	since := time.Now()
	r.until("the end by BFD", func() (bool, any) { s := r.told(); return strings.Contains(s, "BFD"), s })
	t.Logf("BFD ended the session %s after the cut", time.Since(since))
	if err := r.Heal(lab.HostA); err != nil {
		t.Fatal(err)
	}
	up()
}

package gobgp

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
	"github.com/stentor-net/stentor/plugins"
)

func mustSpeaker(t *testing.T, want plugins.Speaker) desired.Speaker {
	t.Helper()
	s, refused, err := desired.New(want, checks)
	if err != nil || refused != nil {
		t.Fatal(err, refused)
	}
	return s
}

func TestSteps(t *testing.T) {
	keyed := peer("rs1", rs1)
	keyed.Password = "s3cret"
	faster := peer("rs1", rs1)
	faster.ConnectRetry = time.Second
	watched := peer("rs1", rs1)
	watched.BFD = &plugins.BFD{TX: 300 * time.Millisecond, RX: 300 * time.Millisecond, Multiplier: 3}
	base := speakerOf([]plugins.Peer{peer("rs1", rs1)}, announcement(vipA, 1))
	other := base
	other.ASN = 65002
	attrs := announcement(vipA, 2)
	attrs.MED, attrs.Prepend, attrs.Peers = ptr(uint32(5)), 1, []string{"rs1"}
	for _, c := range []struct {
		name       string
		have, want plugins.Speaker
		steps      []string // verb|object|diff
	}{
		{"nothing", base, base, nil},
		{"start", plugins.Speaker{}, base, []string{
			"add|BGP speaker|AS 65001, router ID 192.0.2.7",
			"add|peer rs1|fd00:1::1, AS 65000",
			"add|announcement " + vipA + "|communities 65000:1",
		}},
		{"stop", base, plugins.Speaker{}, []string{
			"remove|announcement " + vipA + "|",
			"remove|peer rs1|fd00:1::1",
			"remove|BGP speaker|AS 65001",
		}},
		{"restart", base, other, []string{
			"restart|BGP speaker|AS 65001 -> 65002, router ID 192.0.2.7 -> 192.0.2.7; every session starts anew",
		}},
		{"withdrawal comes first", speakerOf(base.Peers, announcement(vipB, 1)), speakerOf([]plugins.Peer{peer("rs2", rs2)}, announcement(vipA, 1)), []string{
			"remove|announcement " + vipB + "|",
			"remove|peer rs1|fd00:1::1",
			"add|peer rs2|fd00:1::2, AS 65000",
			"add|announcement " + vipA + "|communities 65000:1",
		}},
		{"password", base, speakerOf([]plugins.Peer{keyed}, announcement(vipA, 1)), []string{
			"change|peer rs1|password changed; the session starts anew",
		}},
		{"BFD", base, speakerOf([]plugins.Peer{watched}, announcement(vipA, 1)), []string{
			"change|peer rs1|BFD off -> every 300ms, 300ms x 3",
		}},
		{"connect retry", base, speakerOf([]plugins.Peer{faster}, announcement(vipA, 1)), []string{
			"change|peer rs1|connect retry 2s -> 1s",
		}},
		{"attributes", base, speakerOf(base.Peers, attrs), []string{
			"change|announcement " + vipA + "|communities 65000:1 -> 65000:2; MED none -> 5; prepend 0 -> 1; peers all -> fd00:1::1",
		}},
	} {
		var got []string
		for _, s := range diff(mustSpeaker(t, c.have), mustSpeaker(t, c.want)).Steps() {
			got = append(got, fmt.Sprintf("%s|%s|%s", s.Verb, s.Object, s.Diff))
		}
		if d := cmp.Diff(c.steps, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
		if strings.Contains(strings.Join(got, ""), "s3cret") {
			t.Errorf("%s: the steps tell a password", c.name)
		}
	}
}

// Whatever is compared: making the changes leads to what is wanted, and after
// that nothing is left to do.
func TestDiffConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) desired.Speaker {
			s := desired.Speaker{ASN: 65001, RouterID: netip.MustParseAddr(host4), Peers: map[netip.Addr]plugins.Peer{}, Routes: map[netip.Prefix]desired.Route{}}
			for _, i := range rapid.SliceOfDistinct(rapid.IntRange(1, 6), rapid.ID[int]).Draw(t, label+" peers") {
				p := peer(fmt.Sprint(i), fmt.Sprintf("fd00:1::%d", i))
				p.TTL = rapid.IntRange(1, 2).Draw(t, "TTL")
				s.Peers[p.Addr] = p
			}
			for _, i := range rapid.SliceOfDistinct(rapid.IntRange(1, 6), rapid.ID[int]).Draw(t, label+" routes") {
				x := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 32)
				s.Routes[x] = desired.Route{Prefix: x, Prepend: rapid.IntRange(0, 2).Draw(t, "prepend")}
			}
			return s
		}
		have, want := draw("have"), draw("want")
		c := diff(have, want)
		for _, r := range c.Withdrawn {
			delete(have.Routes, r.Prefix)
		}
		for _, p := range c.PeersGone {
			delete(have.Peers, p.Addr)
		}
		for _, p := range c.PeersNew {
			have.Peers[p.New.Addr] = p.New
		}
		for _, r := range c.Announced {
			have.Routes[r.New.Prefix] = r.New
		}
		if !maps.Equal(have.Peers, want.Peers) || !maps.EqualFunc(have.Routes, want.Routes, desired.Route.Equal) {
			t.Fatalf("got %+v, want %+v", have, want)
		}
		if steps := diff(have, want).Steps(); len(steps) != 0 {
			t.Fatalf("still to do: %v", steps)
		}
	})
}

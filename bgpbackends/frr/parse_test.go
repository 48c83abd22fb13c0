package frr

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const running = `frr version 8.4.4
frr defaults traditional
!
router bgp 65001
 bgp router-id 192.0.2.7
 neighbor stentor-made peer-group
 neighbor stentor-as65000 peer-group
 neighbor stentor-as65000 remote-as 65000
 neighbor 192.0.2.1 remote-as 65000
 neighbor fd00::1 peer-group stentor-as65000
 neighbor fd00::1 shutdown
 !
 address-family ipv4 unicast
  network 10.1.0.0/24
  network 203.0.113.10/32 route-map stentor-set-0000000a
  network 203.0.113.11/32 route-map OFFICE
 exit-address-family
 !
exit
!
router bgp 65009 vrf blue
 neighbor 192.0.2.9 remote-as 1
exit
!
route-map OFFICE permit 10
exit
!
route-map stentor-set-0000000a permit 1
 set community 65000:1 graceful-shutdown
exit
!
`

func TestSplit(t *testing.T) {
	c, err := parseConfig(running)
	if err != nil {
		t.Fatal(err)
	}
	have, other := split(c)
	want := newPiece()
	want.asn, want.made, want.routerID = 65001, true, "192.0.2.7"
	want.maps["stentor-set-0000000a"] = []entry{{"permit", 1, []string{"set community 65000:1 65535:0"}}}
	want.groups["stentor-as65000"] = []statement{{}, {"", "remote-as 65000"}, {"ipv4 unicast", "activate"}}
	want.peers[netip.MustParseAddr("fd00::1")] = []statement{{"", "peer-group stentor-as65000"}, {"", "shutdown"}}
	want.networks[netip.MustParsePrefix("203.0.113.10/32")] = "stentor-set-0000000a"
	if d := cmp.Diff(want, have, cmp.AllowUnexported(piece{}, entry{}, statement{}), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); d != "" {
		t.Errorf("ours:\n%s", d)
	}
	if other.asn != 65001 || other.lines != 3 || !other.peers[netip.MustParseAddr("192.0.2.1")] || !other.networks[netip.MustParsePrefix("203.0.113.11/32")] {
		t.Errorf("theirs: %+v", other)
	}
}

func TestParseConfigRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":            "",
		"no version":         "router bgp 65001\n",
		"an orphan":          " neighbor x\n",
		"control characters": "frr version 8\nhostname \x1b[2J\n",
		"a line too long":    "frr version 8\n" + strings.Repeat("x", maxLine+1) + "\n",
	} {
		if _, err := parseConfig(text); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestMask(t *testing.T) {
	got := mask("line 7: % Unknown command:  neighbor fd00::9 password s3cr3t extra\n x")
	if strings.Contains(got, "s3cr3t") || !strings.Contains(got, "neighbor fd00::9 password ***") || !strings.HasSuffix(got, "\n x") {
		t.Errorf("%q", got)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(running)
	f.Add("frr version 10.3\nbfd\n profile stentor-bfd-3-300-300\n  detect-multiplier 3\n exit\n")
	f.Add("frr version 7.5\nip route 10.0.0.0/8 blackhole tag 1937010286 254\nrouter bgp 1.1\n network 1.1.1.1/32 route-map stentor-set-1\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig(text)
		if err != nil {
			return
		}
		have, other := split(c)
		have.addOthers(c, &other)
		_ = diff(have, newPiece(), other).all().String()
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"fd00::1":{"bgpState":"Established","bgpTimerUpMsec":19000,"addressFamilyInfo":{"ipv4Unicast":{"acceptedPrefixCounter":0}}}}`))
	f.Add([]byte(`{"ipv4Unicast":{"peers":{"fd00::1":{"state":"Idle","pfxSnt":2}}}}`))
	f.Add([]byte(`{"advertisedRoutes":{"203.0.113.10/32":{}}}`))
	f.Add([]byte(`{"paths":[{"valid":true}]}`))
	f.Add([]byte("{}\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if n, err := parseNeighbor(answer, netip.MustParseAddr("fd00::1")); err == nil && n != nil {
			n.state()
			n.why(examplePeer("rs1", "fd00::1", 65000), 65001)
		}
		parseSummary(answer)
		parseAdvertised(answer)
		parseValid(answer)
		endOfAnswer(answer)
		startTime(answer)
	})
}

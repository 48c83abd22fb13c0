package bgppeer

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var compareAddrs = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpenRoundTrip(t *testing.T) {
	cfg := Config{ASN: 4200000000, RouterID: netip.MustParseAddr("192.0.2.9"), Hold: 30 * time.Second, GracefulRestart: 5 * time.Second}
	o, err := ParseOpen(open(cfg)[headerLen:])
	if err != nil {
		t.Fatal(err)
	}
	if o.ASN != cfg.ASN || o.RouterID != cfg.RouterID || o.Hold != cfg.Hold {
		t.Errorf("read %+v", o)
	}
	for code, want := range map[uint8]string{CapExtendedNextHop: "000100010002", CapGracefulRestart: "00050001010000020100"} {
		if v, ok := o.Capability(code); !ok || hex.EncodeToString(v) != want {
			t.Errorf("capability %d is % x, want %s", code, v, want)
		}
	}
	cfg.NoExtendedNextHop, cfg.GracefulRestart, cfg.NoFourOctetAS, cfg.ASN = true, 0, true, 65000
	if o, err = ParseOpen(open(cfg)[headerLen:]); err != nil || o.ASN != 65000 {
		t.Errorf("two-octet OPEN: %+v, %v", o, err)
	}
	for _, code := range []uint8{CapExtendedNextHop, CapGracefulRestart, CapFourOctetAS} {
		if _, ok := o.Capability(code); ok {
			t.Errorf("capability %d is offered", code)
		}
	}
}

func TestParseUpdate(t *testing.T) {
	five := uint32(5)
	for _, c := range []struct {
		name, body string
		as4        bool
		want       Update
	}{
		{"IPv4", "0000 0014 40010100 40020602010000fde9 400304c0000207 20c6336409", true, Update{
			Announced:  []netip.Prefix{netip.MustParsePrefix("198.51.100.9/32")},
			Attributes: Attributes{ASPath: []uint32{65001}, NextHop: netip.MustParseAddr("192.0.2.7"), Types: []uint8{1, 2, 3}},
		}},
		{"two-octet AS", "0000 000b 40010102 4002040201fde9", false, Update{
			Attributes: Attributes{Origin: 2, ASPath: []uint32{65001}, Types: []uint8{1, 2}},
		}},
		{"IPv4 with an IPv6 next hop", "0000 001d 800e1a 000101 10 fd000000000000000000000000000007 00 20c6336409", true, Update{
			Announced:  []netip.Prefix{netip.MustParsePrefix("198.51.100.9/32")},
			Attributes: Attributes{NextHop: netip.MustParseAddr("fd00::7"), Types: []uint8{14}},
		}},
		{"withdrawals", "0005 20c6336409 000f 800f0c 000201 40 20010db8005a0001", true, Update{
			Withdrawn:  []netip.Prefix{netip.MustParsePrefix("198.51.100.9/32"), netip.MustParsePrefix("2001:db8:5a:1::/64")},
			Attributes: Attributes{Types: []uint8{15}},
		}},
		{"numbers", "0000 0024 80040400000005 40050400000005 c00804fde80001 c0200c0000fde80000000100000002", true, Update{
			Attributes: Attributes{MED: &five, LocalPref: &five, Communities: []uint32{65000<<16 | 1}, LargeCommunities: [][3]uint32{{65000, 1, 2}}, Types: []uint8{4, 5, 8, 32}},
		}},
		{"End-of-RIB of IPv4", "00000000", true, Update{EndOfRIB: true}},
		{"End-of-RIB of IPv6", "0000 0006 800f03 000201", true, Update{EndOfRIB: true, Attributes: Attributes{Types: []uint8{15}}}},
	} {
		got, err := ParseUpdate(unhex(t, c.body), c.as4)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.want, got, compareAddrs, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestParseUpdateRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"empty":                       "",
		"withdrawn runs over":         "0005 20",
		"attributes run over":         "0000 0005 4001",
		"attribute runs over":         "0000 0004 40010500",
		"attribute twice":             "0000 0008 40010100 40010100",
		"ORIGIN 3":                    "0000 0004 40010103",
		"ORIGIN too long":             "0000 0005 4001020000",
		"NEXT_HOP too short":          "0000 0006 400303c00002",
		"empty COMMUNITIES":           "0000 0003 c00800",
		"prefix length 33":            "0000 0000 21c633640900",
		"prefix with host bits":       "0000 0000 18c63364 1fc6336401",
		"AS_PATH segment type 9":      "0000 0009 40020609010000fde9",
		"AS_PATH runs over":           "0000 0007 40020402020000",
		"next hop of 5 octets":        "0000 000e 800e0b 000201 05 fd00000000 00 00",
		"multicast":                   "0000 0006 800f03 000202",
		"IPv4 next hop for IPv6":      "0000 000c 800e09 000201 04 c0000207 00",
		"large community of 8 octets": "0000 000b c020080000000100000002",
	} {
		if u, err := ParseUpdate(unhex(t, body), true); err == nil {
			t.Errorf("%s: read as %+v", name, u)
		}
	}
}

func TestParseOpenRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"empty":                "",
		"version 3":            "03 fde8 0009 c0000201 00",
		"parameters run over":  "04 fde8 0009 c0000201 05",
		"octets behind":        "04 fde8 0009 c0000201 00 00",
		"parameter 1":          "04 fde8 0009 c0000201 02 0100",
		"capability runs over": "04 fde8 0009 c0000201 04 0202 4104",
		"AS of 2 octets":       "04 fde8 0009 c0000201 06 0204 4102 fde8",
	} {
		if o, err := ParseOpen(unhex(t, body)); err == nil {
			t.Errorf("%s: read as %+v", name, o)
		}
	}
	if _, err := ParseNotification([]byte{6}); err == nil {
		t.Error("NOTIFICATION of one octet was read")
	}
	if _, err := ParseOpen(TruncatedOpen(Config{ASN: 65000})[headerLen:]); err == nil {
		t.Error("TruncatedOpen is a good OPEN")
	}
	if _, err := ParseUpdate(LongOrigin(Config{ASN: 65000})[headerLen:], true); err == nil {
		t.Error("LongOrigin is a good UPDATE")
	}
}

func TestRoutesAreDistinctAndFit(t *testing.T) {
	const n = 70_000
	seen := map[netip.Prefix]bool{}
	for raw := routes(Config{ASN: 65000}, n); len(raw) > 0; {
		size := int(raw[16])<<8 | int(raw[17])
		if size > maxMessage {
			t.Fatalf("message of %d octets", size)
		}
		u, err := ParseUpdate(raw[headerLen:size], true)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range u.Announced {
			seen[p] = true
		}
		raw = raw[size:]
	}
	if len(seen) != n {
		t.Errorf("%d distinct routes, want %d", len(seen), n)
	}
}

// Nothing that comes off the wire may panic, and what is accepted is canonical.
func FuzzParse(f *testing.F) {
	f.Add(open(Config{ASN: 65000}.filled())[headerLen:])
	f.Add(routes(Config{ASN: 65000}, 3)[headerLen:])
	f.Add(LongOrigin(Config{ASN: 65000})[headerLen:])
	f.Add(Cease(2, "text")[headerLen:])
	f.Add(unhex(f, "0000 001d 800e1a 000101 10 fd000000000000000000000000000007 00 20c6336409"))
	f.Fuzz(func(t *testing.T, body []byte) {
		ParseOpen(body)         // an error is as good as a result
		ParseNotification(body) // likewise
		for _, as4 := range []bool{false, true} {
			u, err := ParseUpdate(body, as4)
			if err != nil {
				continue
			}
			for _, p := range append(u.Announced, u.Withdrawn...) {
				if !p.IsValid() || p != p.Masked() {
					t.Errorf("accepted the prefix %v", p)
				}
			}
			if len(u.Types) > 256 || len(u.Announced)+len(u.Withdrawn) > len(body) {
				t.Errorf("more was read than the message holds: %+v", u)
			}
		}
	})
}

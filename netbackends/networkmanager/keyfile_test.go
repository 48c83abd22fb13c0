package networkmanager

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var rewrite = flag.Bool("update", false, "write the golden files anew")

func addrs(list ...string) []netip.Addr {
	var all []netip.Addr
	for _, a := range list {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

// The profiles that the golden files hold; TestGoldenIsTaken gives them to
// NetworkManager itself.
var goldens = []struct {
	name    string
	profile profile
}{
	{"dummy", newProfile(dummy, addrs("2001:db8::10", "203.0.113.11", "203.0.113.10"))},
	{"dummy-v4", newProfile(dummy, addrs("203.0.113.10"))},
	{"dummy-v6", newProfile(dummy, addrs("2001:db8::10"))},
	{"lo", newProfile(loopback, addrs("2001:db8::10", "203.0.113.10"))},
	{"lo-v6", newProfile(loopback, addrs("2001:db8::10"))},
	{"lo-empty", newProfile(loopback, nil)},
}

func TestGolden(t *testing.T) {
	for _, g := range goldens {
		path := filepath.Join("testdata", g.name+".nmconnection")
		got := g.profile.keyfile().bytes()
		if *rewrite {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
		}
		k, err := parseKeyfile(want)
		if err != nil {
			t.Fatal(err)
		}
		r := read(k)
		if !r.ours || r.edited || r.uuid != g.profile.device.uuid || r.link != g.profile.device.link {
			t.Errorf("%s reads as %+v", path, r)
		}
		if d := cmp.Diff(g.profile.addrs, r.addrs, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty(), cmpopts.SortSlices(netip.Addr.Less)); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
		}
	}
}

// What a GetSettings of NetworkManager 1.42 adds to what it was given.
func TestSettingsFromNetworkManager(t *testing.T) {
	p := newProfile(dummy, addrs("203.0.113.10", "2001:db8::10"))
	s := p.settings()
	s["connection"]["timestamp"] = uint64(1795338084)
	s["connection"]["permissions"] = []string{}
	s["proxy"] = map[string]any{}
	for _, family := range []string{"ipv4", "ipv6"} {
		s[family]["dns-search"] = []string{}
		s[family]["routes"] = [][]uint32{}
		s[family]["addresses"] = [][]uint32{{175177931, 32, 0}}
		s[family]["route-data"] = []map[string]any{}
		s[family]["addr-gen-mode"] = int32(1)
	}
	r := read(s.keyfile())
	if !r.ours || r.edited {
		t.Errorf("reads as %+v", r)
	}
	s["ipv4"]["route-data"] = []map[string]any{{"dest": "198.51.100.0", "prefix": uint32(24), "next-hop": "192.0.2.1"}}
	r = read(s.keyfile())
	if route, _ := r.text.get("ipv4", "route1"); !r.edited || route != "198.51.100.0/24,192.0.2.1" {
		t.Errorf("with a route: edited %v, route %q", r.edited, route)
	}
}

func TestParseKeyfile(t *testing.T) {
	for _, tt := range []struct{ name, in, err string }{
		{"comments and spaces", "# by hand\n\n [connection] \n id = x \r\nuuid=\n", ""},
		{"no section", "id=x\n", `line 1: "id=x" stands before the first [section]`},
		{"no value", "[a]\nid\n", `line 2: "id" is no KEY=VALUE`},
		{"no key", "[a]\n=x\n", `line 2: "=x" is no KEY=VALUE`},
		{"broken section", "[a\n", `line 1: "[a" is no [section]`},
		{"binary", "[a]\nx=\x00\n", "it is no text: it has a NUL byte"},
		{"too large", strings.Repeat("#", keyfileMax+1), "it is larger than 4 MiB"},
	} {
		k, err := parseKeyfile([]byte(tt.in))
		if err == nil && tt.err != "" || err != nil && err.Error() != tt.err {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
		}
		if err != nil {
			continue
		}
		if id, ok := k.get("connection", "id"); !ok || id != "x" {
			t.Errorf("%s: id %q, %v", tt.name, id, ok)
		}
	}
}

func TestKeyOrder(t *testing.T) {
	k, err := parseKeyfile([]byte("[zeta]\na=1\n[ipv4]\naddress10=a\naddress2=b\nmethod=m\n[dummy]\n[connection]\ntype=dummy\n[alpha]\nb=2\n[empty]\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "[connection]\ntype=dummy\n\n[dummy]\n\n[ipv4]\naddress2=b\naddress10=a\nmethod=m\n\n[alpha]\nb=2\n\n[zeta]\na=1\n"
	if d := cmp.Diff(want, string(k.canonical().bytes())); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// FuzzKeyfile: no input hurts, and the canonical form is a fixed point.
func FuzzKeyfile(f *testing.F) {
	for _, g := range goldens {
		f.Add(g.profile.keyfile().bytes())
	}
	f.Add([]byte("[connection]\nid=a\n[user]\nstentor.managed=0\n[ipv4]\naddress1=203.0.113.10/32,192.0.2.1\naddress99999999999999999999=::1/128\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := parseKeyfile(b)
		if err != nil {
			return
		}
		r := read(k)
		once := r.text.bytes()
		again, err := parseKeyfile(once)
		if err != nil {
			t.Fatalf("%q: %v", once, err)
		}
		if d := cmp.Diff(string(once), string(again.canonical().bytes())); d != "" {
			t.Errorf("canonical twice (-once +twice):\n%s", d)
		}
	})
}

// FuzzLedger: no file hurts.
func FuzzLedger(f *testing.F) {
	f.Add([]byte(`{"version":1,"vips":[{"vip":"web","address":"203.0.113.10","link":"lo"}],"in_flight":":1.5"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := decodeLedger(b)
		if err != nil {
			return
		}
		s := store{dir: t.TempDir()}
		if err := s.save(l); err != nil {
			t.Fatal(err)
		}
		again, err := s.load()
		if err != nil || !l.equal(again) {
			t.Errorf("%q came back as %+v, %v; want %+v", b, again, err, l)
		}
	})
}

func TestVersion(t *testing.T) {
	for in, want := range map[string]version{"1.42.4": {1, 42}, "1.30.6": {1, 30}, "1.52.1-dev": {1, 52}, "2.0": {2, 0}} {
		if got, err := parseVersion(in); got != want || err != nil {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	if _, err := parseVersion("newest"); err == nil {
		t.Error(`"newest" is no version`)
	}
	for _, tt := range []struct {
		v    version
		want bool
	}{{version{1, 41}, false}, {version{1, 42}, true}, {version{1, 52}, true}, {version{2, 0}, true}, {version{0, 99}, false}} {
		if got := tt.v.atLeast(loopbackSince); got != tt.want {
			t.Errorf("%v at least %v: %v", tt.v, loopbackSince, got)
		}
	}
}

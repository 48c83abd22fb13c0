package migrate

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/host"
)

func mustParse(t *testing.T, line string) Lelastic {
	t.Helper()
	l, err := ParseLelastic(strings.Fields(line), io.Discard)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return l
}

// view makes a host of "ADDRESS/LEN LINK [dynamic]".
func view(lines ...string) host.View {
	v := host.View{Links: map[string]host.Link{"lo": {Name: "lo", Loopback: true, Up: true}, "eth0": {Name: "eth0", Up: true}, "shared": {Name: "shared", Up: true}},
		Addrs: map[netip.Addr][]host.Addr{}}
	for _, line := range lines {
		f := strings.Fields(line)
		p := netip.MustParsePrefix(f[0])
		v.Addrs[p.Addr()] = append(v.Addrs[p.Addr()], host.Addr{Prefix: p, Link: f[1], Usable: true, Global: true, Dynamic: len(f) > 2})
	}
	return v
}

func TestFind(t *testing.T) {
	busy := view("127.0.0.1/8 lo", "::1/128 lo", "203.0.113.10/32 lo", "10.1.1.1/24 lo", "2001:db8:1::/64 lo", "2001:db8:1::5/64 lo", "2001:db8:56::1/56 lo",
		"2001:db8:7::1/128 lo", "fd00:1::1/64 lo", "fe80::1/64 lo",
		"192.0.2.7/24 eth0", "203.0.113.20/32 eth0 dynamic", "203.0.113.21/32 shared", "203.0.113.10/32 shared",
		"2600:3c03::f03c:91ff:fe00:1/64 eth0", "2600:3c03:0:1::9/64 eth0 dynamic", "2600:3c03:0:2::9/64 eth0", "2600:3c03:0:2::10/64 eth0",
		"fd00:2::1/64 eth0", "fe80::2/64 eth0", "2001:db8:9::1/64 shared")
	for _, c := range []struct {
		flags string
		found []string
		left  []string
	}{
		{"-dcid 10 -primary",
			[]string{"203.0.113.10 > 203.0.113.10/32", "2001:db8:1:: > 2001:db8:1::/64", "2001:db8:7::1 > 2001:db8:7::/64", "2001:db8:56::1 > 2001:db8:56::/56", "fd00:1::1 > fd00:1::/64"},
			[]string{"10.1.1.1/24", "2001:db8:1::5/64"}},
		{"-dcid 10 -primary -send56",
			[]string{"203.0.113.10 > 203.0.113.10/32", "2001:db8:1:: > 2001:db8:1::/64", "2001:db8:7::1 > 2001:db8:7::/56", "2001:db8:56::1 > 2001:db8:56::/56", "fd00:1::1 > fd00:1::/64"},
			[]string{"10.1.1.1/24", "2001:db8:1::5/64"}},
		{"-dcid 10 -primary -allifs",
			[]string{"203.0.113.10 > 203.0.113.10/32", "2001:db8:1:: > 2001:db8:1::/64", "2001:db8:7::1 > 2001:db8:7::/64", "2001:db8:56::1 > 2001:db8:56::/56", "fd00:1::1 > fd00:1::/64",
				"203.0.113.21 > 203.0.113.21/32", "2001:db8:9::1 > 2001:db8:9::/64"},
			[]string{"10.1.1.1/24", "2001:db8:1::5/64", "203.0.113.20/32", "2600:3c03::f03c:91ff:fe00:1/64", "2600:3c03:0:1::9/64", "2600:3c03:0:2::9/64", "2600:3c03:0:2::10/64", "fd00:2::1/64"}},
	} {
		found, left := mustParse(t, c.flags).Find(busy, netip.MustParseAddr("2600:3c03:0:2::9"))
		var got, out []string
		for _, f := range found {
			got = append(got, f.Addr.String()+" > "+f.Prefix.String())
		}
		for _, l := range left {
			out = append(out, l.Stands.String())
		}
		if diff := cmp.Diff([][]string{c.found, c.left}, [][]string{got, out}); diff != "" {
			t.Errorf("%s: %s", c.flags, diff)
		}
		text, err := mustParse(t, c.flags).Config("a test", found, left)
		if err != nil {
			t.Fatal(err)
		}
		if said := check(text); said != "" && !strings.Contains(said, "is within") {
			t.Errorf("%s: %s", c.flags, said)
		}
	}
}

// TestFindWithoutRoute: a host whose uplink is not up yet must not announce it.
func TestFindWithoutRoute(t *testing.T) {
	found, left := mustParse(t, "-dcid 10 -primary -allifs").Find(view("203.0.113.10/32 lo", "2001:db8:7::1/64 lo", "2600:3c03:0:2::9/64 eth0", "203.0.113.11/32 shared"), netip.Addr{})
	if len(found) != 3 || len(left) != 1 || left[0].Stands.String() != "2600:3c03:0:2::9/64" {
		t.Errorf("found %v, left %v", found, left)
	}
}

func TestNeighbors(t *testing.T) {
	for _, c := range []struct{ flags, first, last string }{
		{"-dcid 22 -primary", "2600:3c0f:22:34::1", "2600:3c0f:22:34::4"},
		{"--dcid=2 -primary -neighborpattern=2001:db8:%d::%d", "2001:db8:2::1", "2001:db8:2::4"},
		{"-primary -neighborpattern 192.0.2.%d", "192.0.2.1", "192.0.2.4"},
	} {
		all, err := mustParse(t, c.flags).Neighbors()
		if err != nil || len(all) != 4 || all[0].String() != c.first || all[3].String() != c.last {
			t.Errorf("%s: %v %v", c.flags, all, err)
		}
	}
}

func TestFlagsRefused(t *testing.T) {
	for flags, want := range map[string]string{
		"":                                   "-dcid",
		"-dcid 1 -primary":                   "-dcid",
		"-dcid 10":                           "-primary or -secondary",
		"-dcid 10 word -primary":             "-primary or -secondary", // what follows a word is no flag
		"-dcid 10000 -primary":               "2600:3c0f:10000:34::1",
		"-dcid ten -primary":                 "invalid value",
		"-dcid 10 -primary -primary=no":      "invalid boolean",
		"-dcid 10 -primary -multihopttl 256": "-multihopttl 256",
		"-dcid 10 -primary -neighborpattern 192.0.2": "-neighborpattern",
		"-dcid 10 -primary -neighborpattern ::1":     "no %d",
	} {
		_, err := ParseLelastic(strings.Fields(flags), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", flags, err, want)
		}
	}
}

func TestUnitArgs(t *testing.T) {
	const run = "ExecStart=/usr/local/bin/lelastic "
	env := "# flags\nA=-dcid 10 -primary\nB=\"two words\"\n;C=no\nD='single'\n"
	for _, c := range []struct{ unit, want string }{
		{run + "-dcid 10 -primary", "-dcid|10|-primary"},
		{run + `"-dcid" '10' -x "a\"b" c\x`, `-dcid|10|-x|a"b|c\x`},
		{run + "-dcid \\\n# not this\n  10 \\\n  -primary", "-dcid|10|-primary"},
		{"EnvironmentFile=/etc/default/lelastic\n" + run + "$A ${B} ${D}x $NONE $$A %%d", "-dcid|10|-primary|two words|singlex|$A|%d"},
		{"EnvironmentFile=-/nosuch\nEnvironment=A=1 \"B=2 3\"\n" + run + "$A ${B} ${A}${B}", "1|2 3|12 3"},
		{run + "-dcid 4\nExecStart=\n" + run + "-dcid 5", "-dcid|5"},
		{"ExecStart=@-/usr/bin/env lelastic -dcid 4\r\n", "-dcid|4"},
		{run + "", ""},
	} {
		files := fstest.MapFS{"etc/default/lelastic": {Data: []byte(env)}, "u.service": {Data: []byte("[Unit]\n" + run + "-no\n[Service]\n" + c.unit + "\n[Install]\n" + run + "-no\n")}}
		got, err := UnitArgs(files, "/u.service")
		if err != nil {
			t.Errorf("%s: %v", c.unit, err)
		}
		if diff := cmp.Diff(c.want, strings.Join(got, "|")); diff != "" {
			t.Errorf("%s: %s", c.unit, diff)
		}
	}
	for unit, want := range map[string]string{
		"[Service]\nExecStart=/bin/sh -c 'exec lelastic'\n": "does not run lelastic itself",
		"[Unit]\n":                      "has no ExecStart",
		strings.Repeat("#", MaxInput+1): "is larger than",
	} {
		_, err := UnitArgs(fstest.MapFS{"u.service": {Data: []byte(unit)}}, "/u.service")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", unit, err, want)
		}
	}
}

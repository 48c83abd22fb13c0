package session

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/stentor-net/stentor/bgpbackends/native/wire"
)

var (
	v4a, v4b = netip.MustParsePrefix("198.51.100.1/32"), netip.MustParsePrefix("198.51.100.2/32")
	v6       = netip.MustParsePrefix("2001:db8:1::/64")
	primary  = &Attrs{Communities: []uint32{65000<<16 | 1}}
	// again says the same as primary, from another Apply.
	again     = &Attrs{Communities: []uint32{65000<<16 | 1}}
	secondary = &Attrs{Communities: []uint32{65000<<16 | 2}}
)

func modern() *terms {
	return &terms{localASN: 65001, external: true, local: netip.MustParseAddr("2001:db8::7"), own: only(netip.Addr{}),
		peer: &wire.Open{ASN: 65000, FourOctetAS: true, Families: []wire.Family{wire.IPv4, wire.IPv6}, ExtendedNextHop: true}}
}

// said decodes what goes out: a line for each UPDATE.
func said(t *testing.T, messages []byte) []string {
	t.Helper()
	var all []string
	in := wire.NewReader(bytes.NewReader(messages))
	for {
		_, body, err := in.Next()
		if err != nil {
			return all
		}
		u := &bgp.BGPUpdate{}
		if err := u.DecodeFromBytes(body, &bgp.MarshallingOption{}); err != nil {
			t.Fatal(err)
		}
		line := ""
		for _, p := range u.WithdrawnRoutes {
			line += " -" + p.String()
		}
		for _, a := range u.PathAttributes {
			switch x := a.(type) {
			case *bgp.PathAttributeMpReachNLRI:
				for _, p := range x.Value {
					line += " +" + p.String()
				}
				line += " via " + x.Nexthop.String()
			case *bgp.PathAttributeMpUnreachNLRI:
				for _, p := range x.Value {
					line += " -" + p.String()
				}
			case *bgp.PathAttributeNextHop:
				line += " via " + x.Value.String()
			case *bgp.PathAttributeAsPath:
				line += " " + x.String()
			case *bgp.PathAttributeLocalPref:
				line += " " + x.String()
			}
		}
		for _, p := range u.NLRI {
			line += " +" + p.String()
		}
		all = append(all, line[1:])
	}
}

func routes(a *Attrs, prefixes ...netip.Prefix) []Route {
	var all []Route
	for _, p := range prefixes {
		all = append(all, Route{Prefix: p, Attrs: a})
	}
	return all
}

func TestUpdate(t *testing.T) {
	out, m := ribOut{}, modern()
	steps := []struct {
		name string
		want []Route
		says []string
	}{
		{"one message for all of a family", routes(primary, v4a, v4b, v6), []string{
			"+198.51.100.1/32 +198.51.100.2/32 via 2001:db8::7 {AsPath: 65001}", "+2001:db8:1::/64 via 2001:db8::7 {AsPath: 65001}"}},
		{"the same, from another Apply", routes(again, v4a, v4b, v6), nil},
		{"a role changes in place", append(routes(secondary, v4a), routes(primary, v4b, v6)...), []string{"+198.51.100.1/32 via 2001:db8::7 {AsPath: 65001}"}},
		{"withdrawals come first", append(routes(primary, v4a), routes(primary, v6)...), []string{
			"-198.51.100.2/32", "+198.51.100.1/32 via 2001:db8::7 {AsPath: 65001}"}},
		{"nothing left", nil, []string{"-198.51.100.1/32", "-2001:db8:1::/64"}},
	}
	for _, s := range steps {
		messages, unsent := out.update(m, s.want)
		if d := cmp.Diff(s.says, said(t, messages)); d != "" || unsent != "" {
			t.Errorf("%s: %s (-want +got):\n%s", s.name, unsent, d)
		}
	}
}

// only is a host whose one address that fits is a.
func only(a netip.Addr) func(wire.Family) netip.Addr {
	return func(f wire.Family) netip.Addr {
		if a.IsValid() && family(netip.PrefixFrom(a, a.BitLen())) == f {
			return a
		}
		return netip.Addr{}
	}
}

func TestResolve(t *testing.T) {
	own4, own6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::8")
	over4 := netip.MustParseAddr("192.0.2.9")
	tests := map[string]struct {
		change func(*terms)
		route  Route
		hop    string
		why    string
	}{
		"IPv4 over IPv6, RFC 8950":    {func(*terms) {}, Route{Prefix: v4a}, "2001:db8::7", ""},
		"without it":                  {func(m *terms) { m.peer.ExtendedNextHop, m.own = false, only(own4) }, Route{Prefix: v4a}, "192.0.2.7", ""},
		"without it, no own address":  {func(m *terms) { m.peer.ExtendedNextHop = false }, Route{Prefix: v4a}, "", "RFC 8950"},
		"a given hop, without it":     {func(m *terms) { m.peer.ExtendedNextHop = false }, Route{Prefix: v4a, NextHop: own6}, "", "RFC 8950"},
		"a given hop":                 {func(*terms) {}, Route{Prefix: v6, NextHop: own6}, "2001:db8::8", ""},
		"IPv4 over IPv4":              {func(m *terms) { m.local = over4 }, Route{Prefix: v4a}, "192.0.2.9", ""},
		"IPv6 over IPv4":              {func(m *terms) { m.local, m.own = over4, only(own6) }, Route{Prefix: v6}, "2001:db8::8", ""},
		"IPv6 over IPv4, no own":      {func(m *terms) { m.local = over4 }, Route{Prefix: v6}, "", "no IPv6 address of its own"},
		"IPv6 that nobody negotiated": {func(m *terms) { m.peer.Families = nil }, Route{Prefix: v6}, "", "did not negotiate IPv6"},
	}
	for name, tt := range tests {
		m := modern()
		tt.change(m)
		got, why := m.resolve(tt.route)
		if tt.hop != "" && got.nextHop != netip.MustParseAddr(tt.hop) || (why == "") != (tt.why == "") || !bytes.Contains([]byte(why), []byte(tt.why)) {
			t.Errorf("%s: %s %q", name, got.nextHop, why)
		}
	}
}

// TestInternal: within an AS the path is empty, and LOCAL_PREF is not optional
// (RFC 4271 §5.1.2, §5.1.5).
func TestInternal(t *testing.T) {
	m := modern()
	m.external, m.peer.ASN = false, m.localASN
	messages, _ := ribOut{}.update(m, routes(&Attrs{Prepend: 2}, v6))
	if d := cmp.Diff([]string{"+2001:db8:1::/64 via 2001:db8::7 {AsPath: } {LocalPref: 100}"}, said(t, messages)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

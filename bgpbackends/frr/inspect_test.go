package frr

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

func TestViaDefault(t *testing.T) {
	peers := []plugins.Peer{
		{Name: "rs1", Addr: netip.MustParseAddr("2001:db8::1"), TTL: 16}, {Name: "rs2", Addr: netip.MustParseAddr("2001:db8::2"), TTLSecurity: 2},
		{Name: "far", Addr: netip.MustParseAddr("198.51.100.1"), TTL: 2}, {Name: "tor", Addr: netip.MustParseAddr("192.0.2.1")},
	}
	six := func(version string) string {
		return `frr-default-route FRR ` + version + ` keeps a peer idle that is reached by the default route ("ipv6 nht resolve-via-default" is not set): rs1, rs2 | ` +
			"set resolve_via_default = true in [backend.frr], or add to FRR's configuration: ipv6 nht resolve-via-default"
	}
	four := func(version string) string {
		return `frr-default-route FRR ` + version + ` keeps a peer idle that is reached by the default route ("ip nht resolve-via-default" is not set): far | ` +
			"set resolve_via_default = true in [backend.frr], or add to FRR's configuration: ip nht resolve-via-default"
	}
	for _, tt := range []struct {
		name, version string
		globals       []string
		want          []string
	}{
		{"8", "8.4.4", nil, []string{four("8.4.4"), six("8.4.4")}},
		{"8, and it is set", "8.4.4", []string{resolve4, resolve6}, nil},
		{"8, and half of it is set", "8.4.4", []string{resolve6}, []string{four("8.4.4")}},
		{"10", "10.3", nil, nil},
		{"10, and it is taken back", "10.3", []string{"no " + resolve6}, []string{six("10.3")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			there := theirs{version: tt.version, globals: map[string]bool{}}
			for _, g := range tt.globals {
				there.globals[g] = true
			}
			var got []string
			for _, f := range viaDefault(peers, there) {
				got = append(got, fmt.Sprintf("%s %s | %s", f.Code, f.Message, f.Hint))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

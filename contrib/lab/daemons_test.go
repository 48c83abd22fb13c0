package lab

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/lab/rs"
	"github.com/stentor-net/stentor/plugins"
)

// TestTemplatesParse has FRR's and BIRD's own parsers read what is rendered.
func TestTemplatesParse(t *testing.T) {
	tor := func(change func(*plugins.Peer)) Options {
		p := plugins.Peer{Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64512}
		change(&p)
		return Peering([]plugins.Peer{p}, 65001)
	}
	parsers := map[string]func(file string) *exec.Cmd{
		"frr":  func(file string) *exec.Cmd { return exec.Command(vtyshPath, "-C", "-f", file) },
		"bird": func(file string) *exec.Cmd { return exec.Command(birdPath, "-p", "-c", file) },
	}
	for name, o := range map[string]Options{
		"linode":   Linode(10, 4),
		"plain":    tor(func(*plugins.Peer) {}),
		"password": tor(func(p *plugins.Peer) { p.Password = "sesame" }),
		"gtsm":     tor(func(p *plugins.Peer) { p.TTLSecurity = 1 }),
		"ipv6":     tor(func(p *plugins.Peer) { p.Addr = netip.MustParseAddr("2001:db8::1") }),
	} {
		l := &Lab{opts: o, topology: newTopology(o.routeServerAddrs(), o.Shared)}
		for daemon, parser := range parsers {
			for part, c := range map[string]daemonConfig{"rs": l.serverConfig(0), "router": l.routerConfig()} {
				t.Run(fmt.Sprintf("%s %s %s", name, daemon, part), func(t *testing.T) {
					text, err := render(fmt.Sprintf("%s-%s.conf.tmpl", daemon, part), c)
					if err != nil {
						t.Fatal(err)
					}
					file := filepath.Join(t.TempDir(), "conf")
					if err := os.WriteFile(file, text, 0o644); err != nil {
						t.Fatal(err)
					}
					cmd := parser(file)
					if _, err := os.Stat(cmd.Path); err != nil {
						t.Skipf("%s is not installed: %v", daemon, err)
					}
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Errorf("%v\n%s\n%s", err, out, text)
					}
				})
			}
		}
	}
}

func TestBIRDRoutes(t *testing.T) {
	from := netip.MustParseAddr("2600:3c0f:a:a::11")
	got, err := birdRoutes(from, strings.Split(`Table master4:
198.18.0.1/32        unicast [host0 09:12:01.123] * (100) [AS65001i]
	via fd5e:7e57::ff on eth0
	Type: BGP univ
	BGP.origin: IGP
	BGP.as_path: 65001 65001
	BGP.next_hop: 2600:3c0f:a:a::11
	BGP.med: 7
	BGP.local_pref: 200
	BGP.community: (65000,1) (65535,0)

Table master6:
2001:db8:5a:1::/64   unicast [host0 09:12:01.123] (100) [AS65001i]
	BGP.next_hop: 2600:3c0f:a:a::11 fe80::1
	BGP.local_pref: 100`, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []rs.Route{
		{Prefix: netip.MustParsePrefix("198.18.0.1/32"), NextHop: from, From: from, ASPath: []uint32{65001, 65001}, MED: 7, LocalPref: 200, Best: true,
			Communities: []plugins.Community{primary, plugins.GracefulShutdown}},
		{Prefix: netip.MustParsePrefix("2001:db8:5a:1::/64"), NextHop: from, From: from, LocalPref: 100},
	}
	same := []cmp.Option{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}
	if d := cmp.Diff(want, got, same...); d != "" {
		t.Errorf("routes (-want +got):\n%s", d)
	}
	if _, err := birdRoutes(from, []string{"what/32 unicast [host0 x] *"}); err == nil {
		t.Error("a line that is no prefix is taken")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	with := func(change func(*Options)) Options {
		o := Linode(10, 2)
		o.Name, o.Dir = "ok", "/run/ok"
		change(&o)
		return o
	}
	for name, tt := range map[string]struct {
		o    Options
		want string // in the error; "" is none
	}{
		"good":          {with(func(*Options) {}), ""},
		"name":          {with(func(o *Options) { o.Name = "No Name" }), "name"},
		"relative":      {with(func(o *Options) { o.Dir = "lab" }), "absolute"},
		"long path":     {with(func(o *Options) { o.Dir = "/" + strings.Repeat("x", 90) }), "too long"},
		"no peers":      {with(func(o *Options) { o.Peers = nil }), "route servers"},
		"policy":        {with(func(o *Options) { o.Policy = "" }), "policy"},
		"kind":          {with(func(o *Options) { o.RouteServers = "quagga" }), "quagga"},
		"two ASNs":      {with(func(o *Options) { o.RouteServers = BIRD; o.Peers[1].ASN = 64513 }), "one ASN"},
		"iBGP":          {with(func(o *Options) { o.RouteServers = BIRD; o.HostASN = 65000 }), "another one for the hosts"},
		"iBGP embedded": {with(func(o *Options) { o.HostASN = 65000 }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.o.check()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("check: %v, want %q", err, tt.want)
			}
		})
	}
}

func TestPeeringSharesASegmentWhenItMust(t *testing.T) {
	for _, tt := range []struct {
		peer plugins.Peer
		want bool
	}{
		{plugins.Peer{ASN: 64512}, true},
		{plugins.Peer{ASN: 64512, TTL: 1}, true},
		{plugins.Peer{ASN: 64512, TTL: 2}, false},
		{plugins.Peer{ASN: 64512, TTLSecurity: 1}, true},
		{plugins.Peer{ASN: 64512, TTLSecurity: 2}, false},
		{plugins.Peer{ASN: 65001}, false}, // iBGP has no such bound
	} {
		if got := Peering([]plugins.Peer{tt.peer}, 65001).Shared; got != tt.want {
			t.Errorf("%+v: shared %v, want %v", tt.peer, got, tt.want)
		}
	}
}

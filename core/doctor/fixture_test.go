package doctor

import (
	"fmt"
	"io/fs"
	"net/netip"
	"testing/fstest"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/firewall"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/survey"
	"github.com/stentor-net/stentor/plugins"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// fixture is a host without any finding: two links, a v4 and a v6 VIP on lo,
// one peer of each family. Tests break one thing of it.
type fixture struct {
	config  config.Config
	view    host.View
	sysctls map[string]string
	routes  map[string]host.Route
	files   fstest.MapFS
	stack   []plugins.Finding

	kernel   Kernel
	confined bool
	cloud    survey.Facts
	firewall firewall.Ruleset
}

func healthy() *fixture {
	f := &fixture{
		config: config.Config{
			VIPs: []config.VIP{
				{Name: "dns", Addr: ip("2001:db8:99::10"), Prefix: netip.MustParsePrefix("2001:db8:99::/64"), Link: "lo"},
				{Name: "web", Addr: ip("203.0.113.10"), Prefix: netip.MustParsePrefix("203.0.113.10/32"), Link: "lo"},
			},
			BGP: config.BGP{Backend: "gobgp", ASN: 65001, Peers: []plugins.Peer{
				{Name: "tor4", Addr: ip("192.0.2.1"), ASN: 64512, Hold: 9 * time.Second},
				{Name: "tor6", Addr: ip("2001:db8::1"), ASN: 64512, Hold: 9 * time.Second, TTL: 16},
			}},
		},
		view: host.View{
			Links: map[string]host.Link{
				"lo":   {Name: "lo", Index: 1, Loopback: true, Up: true, MAC: "00:00:00:00:00:00"},
				"eth0": {Name: "eth0", Index: 2, Up: true, MAC: "02:00:00:00:00:01"},
				"eth1": {Name: "eth1", Index: 3, Up: true, MAC: "02:00:00:00:00:02"},
			},
			Addrs:   map[netip.Addr][]host.Addr{},
			Uplink4: "eth0", Uplink6: "eth0",
		},
		sysctls: map[string]string{
			"net/ipv6/conf/lo/disable_ipv6":    "0",
			"net/ipv6/conf/eth0/disable_ipv6":  "0",
			"net/ipv6/conf/all/disable_ipv6":   "0",
			"net/ipv4/conf/all/rp_filter":      "0",
			"net/ipv4/conf/eth0/rp_filter":     "0",
			"net/ipv4/conf/all/arp_ignore":     "1",
			"net/ipv4/conf/all/arp_announce":   "2",
			"net/ipv4/conf/eth0.100/rp_filter": "1",
		},
		routes: map[string]host.Route{
			"192.0.2.1":   {Link: "eth0", Source: ip("192.0.2.7")},
			"2001:db8::1": {Link: "eth0", Gateway: ip("fe80::1"), Source: ip("2001:db8::7")},
		},
		files: fstest.MapFS{},
	}
	f.put("203.0.113.10/32", "lo")
	f.put("2001:db8:99::10/128", "lo")
	f.put("192.0.2.7/24", "eth0")
	f.put("2001:db8::7/64", "eth0")
	f.put("198.51.100.7/24", "eth1")
	return f
}

func (f *fixture) put(prefix, link string) *host.Addr {
	p := netip.MustParsePrefix(prefix)
	f.view.Addrs[p.Addr()] = append(f.view.Addrs[p.Addr()], host.Addr{Prefix: p, Link: link, Usable: true, Global: true})
	list := f.view.Addrs[p.Addr()]
	return &list[len(list)-1]
}

func (f *fixture) take(addr string) { delete(f.view.Addrs, ip(addr)) }

func (f *fixture) file(name, text string) { f.files[name] = &fstest.MapFile{Data: []byte(text)} }

// points makes a symbolic link, as /proc has them for namespaces.
func (f *fixture) points(name, to string) {
	f.files[name] = &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink | 0o777}
}

// findings are what Check has to say, as "CODE SEVERITY OBJECT: MESSAGE | HINT".
func (f *fixture) findings() []string {
	var all []string
	for _, x := range Check(f.input()) {
		at := x.Place()
		if at != "" {
			at += ": "
		}
		all = append(all, fmt.Sprintf("%s %s %s: %s%s | %s", x.Code, x.Severity, x.Object, at, x.Message, x.Hint))
	}
	return all
}

func (f *fixture) link(name string, change func(*host.Link)) {
	l := f.view.Links[name]
	l.Name = name
	change(&l)
	f.view.Links[name] = l
}

func (f *fixture) input() Input {
	return Input{
		Config: &f.config,
		View:   f.view,
		Sysctl: func(path string) (string, error) {
			if v, ok := f.sysctls[path]; ok {
				return v, nil
			}
			return "", fs.ErrNotExist
		},
		RouteTo: func(a netip.Addr) (host.Route, error) {
			if r, ok := f.routes[a.String()]; ok {
				return r, nil
			}
			return host.Route{}, fmt.Errorf("%w to %s", host.ErrNoRoute, a)
		},
		Files: f.files, Stack: f.stack,
		Kernel: f.kernel, Confined: f.confined, Cloud: f.cloud, Firewall: f.firewall,
	}
}

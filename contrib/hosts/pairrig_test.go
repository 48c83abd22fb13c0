package hosts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/hosts"
	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/contrib/lab/probe"
)

// What the two hosts share, and the prefixes that it is announced by.
var (
	pairVIPs     = []netip.Addr{netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("2001:db8:5a:1::1")}
	pairPrefixes = []string{"198.18.0.1/32", "2001:db8:5a:1::/64"}
)

// pairConfig is what an admin writes on a host.
func pairConfig(role, table string) string {
	return fmt.Sprintf(`%[2]s
[bgp]
provider = "linode"
dcid     = 10

[vip.web]
address = "198.18.0.1/32"
role    = "%[1]s"

[vip.web6]
address = "2001:db8:5a:1::1/64"
role    = "%[1]s"
`, role, table)
}

// pairUnit is not enabled: a test looks at a host before Stentor runs on it.
const pairUnit = `[Unit]
Description=Stentor
After=network.target
[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/local/bin/stentor run
ExecReload=/bin/kill -HUP $MAINPID
RuntimeDirectory=stentor
StateDirectory=stentor
`

// pair is two booted hosts in a lab, with route servers, and a client that pings
// what they share.
type pair struct {
	t      testing.TB
	lab    *lab.Lab
	hosts  map[string]*hosts.Host
	probes []*probe.Probe
}

var pairs atomic.Int32

// newPair boots both, or only the one that has a stack, with Stentor installed
// and not started.
func newPair(t *testing.T, servers lab.Kind, stacks map[string]stack) *pair {
	t.Helper()
	o := lab.Linode(10, 4)
	o.RouteServers = servers
	return newPairIn(t, o, stacks)
}

// newPairIn is newPair in a lab of one's own.
func newPairIn(t *testing.T, o lab.Options, stacks map[string]stack) *pair {
	t.Helper()
	dir, err := os.MkdirTemp("", "pair-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // FRR runs as a user of its own
		t.Fatal(err)
	}
	o.Name = fmt.Sprintf("pair%d-%d", os.Getpid()%10000, pairs.Add(1))
	o.Dir, o.Outside = filepath.Join(dir, "lab"), []string{lab.HostA, lab.HostB}
	l, err := lab.New(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, lab: l, hosts: map[string]*hosts.Host{}}
	t.Cleanup(func() {
		if t.Failed() {
			p.views()
		}
		p.remove()
		os.RemoveAll(dir)
	})
	if err := l.Up(p.limit(time.Minute)); err != nil {
		t.Fatal(err)
	}
	p.boot(stacks)
	for _, vip := range pairVIPs {
		ping, err := l.Probe(lab.Client, vip, 10*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		p.probes = append(p.probes, ping)
	}
	return p
}

func (p *pair) boot(stacks map[string]stack) {
	p.t.Helper()
	if err := binaries(); err != nil {
		p.t.Fatal(err)
	}
	type booted struct {
		name string
		host *hosts.Host
		err  error
	}
	done := make(chan booted)
	for name, s := range stacks {
		go func() {
			h, err := hosts.Boot(context.Background(), p.options(name, s))
			done <- booted{name, h, err}
		}()
	}
	for range stacks {
		b := <-done
		if b.err != nil {
			p.t.Error(b.err)
			continue
		}
		p.hosts[b.name] = b.host
	}
	if p.t.Failed() {
		p.t.FailNow()
	}
	for _, h := range p.hosts {
		install(p.t, h, "stentor")
	}
}

// options are a host whose eth0 is plugged into the lab.
func (p *pair) options(name string, s stack) hosts.Options {
	addrs, gateways := p.lab.HostNet(name)
	role := map[string]string{lab.HostA: "primary", lab.HostB: "secondary"}[name]
	return hosts.Options{
		Suite: s.suite, Profile: s.profile, Packages: s.packages,
		Files: map[string]hosts.File{
			conf:                                  {Content: pairConfig(role, s.table), Mode: 0o644},
			"/etc/systemd/system/stentor.service": {Content: pairUnit, Mode: 0o644},
		},
		Uplink: &hosts.Uplink{
			Addr4: addrs[0].String(), Addr6: addrs[1].String(),
			Gateway4: gateways[0].String(), Gateway6: gateways[1].String(),
			Plug: func(netns string) error { return p.lab.Attach(name, netns) },
		},
	}
}

func (p *pair) remove() {
	for _, ping := range p.probes {
		ping.Stop()
	}
	for _, h := range p.hosts {
		if err := h.Remove(); err != nil {
			p.t.Error(err)
		}
	}
	if err := p.lab.Down(); err != nil {
		p.t.Error(err)
	}
}

func (p *pair) limit(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	p.t.Cleanup(cancel)
	return ctx
}

// do runs a script on a host that has to succeed.
func (p *pair) do(host, script string) string {
	p.t.Helper()
	return do(p.t, p.hosts[host], script)
}

// moves does something, after which that host has to answer all pings. It gives
// how many were lost on the way.
func (p *pair) moves(what, host string, f func()) (lost int) {
	p.t.Helper()
	began := time.Now()
	f()
	p.answers(what, host)
	for i, ping := range p.probes {
		r := ping.Settled(began)
		lost += r.Lost
		p.t.Logf("%s: to %s: %s", what, pairVIPs[i], r)
	}
	return lost
}

// lossless is moves without the loss of a single ping.
func (p *pair) lossless(what, host string, f func()) {
	p.t.Helper()
	if lost := p.moves(what, host, f); lost > 0 {
		p.t.Errorf("%s: %d pings were lost", what, lost)
	}
}

// answers waits until that host answers every ping, and for some more of them,
// so that what became of those on the way is known.
func (p *pair) answers(what, host string) {
	p.t.Helper()
	ctx := p.limit(30 * time.Second)
	for i, ping := range p.probes {
		if err := ping.Wait(ctx, host); err != nil {
			p.t.Fatalf("%s: %s: %v", what, pairVIPs[i], err)
		}
	}
	since := time.Now()
	for i, ping := range p.probes {
		for ping.Report(since).Sent < 50 {
			select {
			case <-ctx.Done():
				p.t.Fatalf("%s: pings to %s: %s", what, pairVIPs[i], ping.Report(since))
			case <-time.After(20 * time.Millisecond):
			}
		}
		if at := ping.Answering(); at != host {
			p.t.Fatalf("%s: %s was answered by %s, and is now by %s", what, pairVIPs[i], host, at)
		}
	}
}

// announces waits until every route server has exactly that host's prefixes
// with that community; "" is none at all.
func (p *pair) announces(host, community string) {
	p.t.Helper()
	want := []string{}
	for _, prefix := range pairPrefixes {
		if community != "" {
			want = append(want, prefix+" "+community)
		}
	}
	ctx := p.limit(30 * time.Second)
	for _, server := range p.lab.RouteServers() {
		for {
			got, err := p.routes(ctx, server, host)
			d := cmp.Diff(want, got)
			if err == nil && d == "" {
				break
			}
			select {
			case <-ctx.Done():
				p.t.Fatalf("%s has of host %s (-want +got):\n%s%v", server, host, d, err)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// routes are what a route server has from a host, as "PREFIX COMMUNITIES".
func (p *pair) routes(ctx context.Context, server, host string) ([]string, error) {
	all, err := p.lab.Routes(ctx, server)
	if err != nil {
		return nil, err
	}
	from := []string{}
	for _, r := range all {
		if slices.Contains(p.lab.Addrs(host), r.From) {
			var communities []string
			for _, c := range r.Communities {
				communities = append(communities, c.String())
			}
			from = append(from, r.Prefix.String()+" "+strings.Join(communities, ","))
		}
	}
	slices.Sort(from)
	return from, nil
}

// backend is the network backend that was found for a host.
func (p *pair) backend(host string) string {
	p.t.Helper()
	var status struct{ Network struct{ Backend string } }
	if err := json.Unmarshal([]byte(p.do(host, "stentor status --json")), &status); err != nil {
		p.t.Fatal(err)
	}
	return status.Network.Backend
}

// holds waits until a host has what is shared, each with its host length.
func (p *pair) holds(host string) {
	p.t.Helper()
	want := []string{}
	for _, vip := range pairVIPs {
		want = append(want, netip.PrefixFrom(vip, vip.BitLen()).String())
	}
	ctx := p.limit(20 * time.Second)
	for {
		out := p.do(host, "ip -o address show")
		missing := slices.DeleteFunc(slices.Clone(want), func(a string) bool { return strings.Contains(out, " "+a+" ") })
		if len(missing) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("host %s does not hold %q:\n%s", host, missing, out)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// views prints every side.
func (p *pair) views() {
	ctx := p.limit(20 * time.Second)
	for name, h := range p.hosts {
		for _, script := range []string{"ip address; ip route; ip -6 route", "stentor status", "systemctl status stentor; journalctl -b --no-pager -n 40 -o short-precise"} {
			r, err := h.Exec(ctx, script)
			p.t.Logf("host %s: %s\n%s %v", name, script, r, err)
		}
	}
	for _, server := range p.lab.RouteServers() {
		sessions, err := p.lab.Sessions(ctx, server)
		p.t.Logf("%s: sessions %+v %v", server, sessions, err)
		routes, err := p.lab.Routes(ctx, server)
		p.t.Logf("%s: routes %+v %v", server, routes, err)
	}
	out, err := p.lab.Output(ctx, lab.Router, "sh", "-c", "ip route; ip -6 route; ip neigh")
	p.t.Logf("router: %s %v", out, err)
}

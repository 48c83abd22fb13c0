package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/contrib/lab/internal/netns"
	"github.com/stentor-net/stentor/contrib/lab/rs"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
)

var (
	vip4 = netip.MustParsePrefix("198.18.0.1/32")
	vip6 = netip.MustParsePrefix("2001:db8:5a:1::/64")
)

// far is a lab with a backend on host a, and FRR or BIRD as route servers.
type far struct {
	*testing.T
	*lab.Lab
	ctx     context.Context
	peers   []plugins.Peer
	b       plugins.BGPBackend
	repeats bool // see plugintest.BGP
}

// TestFarPeers: route servers that others have written take what a backend
// says, and the client's packets go where it says.
func TestFarPeers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: the lab makes network namespaces")
	}
	for _, d := range backends {
		for _, kind := range []lab.Kind{lab.FRR, lab.BIRD} {
			t.Run(d.name+" to "+string(kind), func(t *testing.T) {
				for _, program := range d.needs {
					if _, err := exec.LookPath(program); err != nil {
						t.Skipf("needs %s: %v", program, err)
					}
				}
				t.Parallel()
				f := newFar(t, d, kind)
				f.walk()
			})
		}
	}
}

func newFar(t *testing.T, d driven, kind lab.Kind) *far {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	dir, err := os.MkdirTemp("", "far") // FRR's own user must be able to enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	o := lab.Linode(4, 2)
	o.Name = fmt.Sprintf("far%d-%s-%s", os.Getpid(), d.name, kind)
	o.Dir, o.RouteServers = filepath.Join(dir, "lab"), kind
	o.Peers[0].Password = "s3cret"
	l, err := lab.New(o)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Errorf("Down: %v", err)
		}
	})
	if err := l.Up(ctx); err != nil {
		t.Fatal(err)
	}
	f := &far{T: t, Lab: l, ctx: ctx, peers: o.Peers, repeats: d.repeats}
	for i := range f.peers {
		f.peers[i].Hold, f.peers[i].Keepalive, f.peers[i].ConnectRetry = 9*time.Second, 3*time.Second, time.Second
	}
	f.start(d, dir)
	return f
}

// start puts backend and daemon on host a.
func (f *far) start(d driven, dir string) {
	f.Helper()
	ns, err := netns.Open(f.NetNS(lab.HostA))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { ns.Close() })
	starter := netns.NewThread() // the daemons die with the thread that started them
	f.Cleanup(starter.Close)
	at := place{dir: dir, netns: f.NetNS(lab.HostA), do: func(run func() error) error { return starter.Do(ns, run) }}
	c := plugins.Config{StateDir: filepath.Join(dir, "state")}
	if err := os.Mkdir(c.StateDir, 0o700); err != nil {
		f.Fatal(err)
	}
	if d.daemon != nil {
		daemon, err := d.daemon(at)
		if err == nil {
			f.Cleanup(func() { daemon.Close() })
			err = daemon.Start(f.ctx)
		}
		if err != nil {
			f.Fatal(err)
		}
		c.Settings = d.settings(at)
	}
	p, err := isolated(d.name)
	if err != nil {
		f.Fatal(err)
	}
	if f.b, err = open(f.ctx, p, host.Options{}, at); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { f.b.Close() })
	if err := f.b.Configure(f.ctx, c); err != nil {
		f.Fatal(err)
	}
	for _, a := range []string{vip4.String(), vip6.Addr().Next().String() + "/128"} {
		if _, err := f.Output(f.ctx, lab.HostA, "ip", "address", "add", a, "dev", "lo"); err != nil {
			f.Fatal(err)
		}
	}
}

// until polls, and fails the test with what is wrong when ctx ends.
func (f *far) until(what string, check func() error) {
	f.Helper()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-f.ctx.Done():
			state, _ := f.b.Observe(context.Background())
			f.Fatalf("waiting for %s: %v; Observe tells %+v", what, err, state)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (f *far) apply(announcements ...plugins.Announcement) {
	f.Helper()
	f.until("Apply", func() error {
		err := f.b.Apply(f.ctx, plugins.Speaker{ASN: 65001, RouterID: netip.MustParseAddr("100.64.10.2"), Peers: f.peers, Announcements: announcements})
		if err != nil && !errors.Is(err, plugins.ErrUnavailable) {
			f.Fatalf("Apply: %v", err)
		}
		return err
	})
}

func role(prefix netip.Prefix, communities ...plugins.Community) plugins.Announcement {
	return plugins.Announcement{VIP: "web", Prefix: prefix, Communities: communities}
}

const (
	primary   = plugins.Community(65000<<16 | 1)
	secondary = plugins.Community(65000<<16 | 2)
)

// held waits until the route servers have exactly the announcements, and gives
// how long that took.
func (f *far) held(servers []string, want ...plugins.Announcement) time.Duration {
	f.Helper()
	began := time.Now()
	for _, server := range servers {
		f.until(fmt.Sprintf("%s to hold %v", server, want), func() error {
			routes, err := f.Routes(f.ctx, server)
			if err != nil {
				return err
			}
			if len(routes) != len(want) {
				return fmt.Errorf("it holds %+v", routes)
			}
			for _, a := range want {
				i := slices.IndexFunc(routes, func(r rs.Route) bool { return r.Prefix == a.Prefix })
				if i < 0 || !slices.Equal(sorted(routes[i].Communities), sorted(a.Communities)) {
					return fmt.Errorf("it holds %+v", routes)
				}
				if r := routes[i]; !slices.Equal(r.ASPath, []uint32{65001}) || !slices.Contains(f.Addrs(lab.HostA), r.NextHop) {
					f.Fatalf("%s holds %s with AS path %v and next hop %s", server, r.Prefix, r.ASPath, r.NextHop)
				}
			}
			return nil
		})
	}
	return time.Since(began)
}

func sorted(c []plugins.Community) []plugins.Community {
	return slices.Sorted(slices.Values(c))
}

// session is host a's with a route server.
func (f *far) session(server string) rs.Session {
	f.Helper()
	all, err := f.Sessions(f.ctx, server)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range all {
		if slices.Contains(f.Addrs(lab.HostA), s.Peer) {
			return s
		}
	}
	f.Fatalf("%s knows no session with host a: %+v", server, all)
	return rs.Session{}
}

// quiet waits until a route server is told nothing more by itself.
func (f *far) quiet(server string) {
	f.Helper()
	const quiet = 8 * time.Second // longer than `bgp route-map delay-timer`
	updates, since := -1, time.Now()
	f.until("the end of the repeats to "+server, func() error {
		if now := f.session(server).Updates; now != updates {
			updates, since = now, time.Now()
		}
		if time.Since(since) < quiet {
			return fmt.Errorf("%d UPDATEs, the last %s ago", updates, time.Since(since))
		}
		return nil
	})
}

// walk goes from the start to the end of a backend's work, with rs2 down at first.
func (f *far) walk() {
	all, first := f.RouteServers(), f.RouteServers()[:1]
	if err := f.StopRouteServer(f.ctx, "rs2", true); err != nil {
		f.Fatal(err)
	}
	f.apply(role(vip4, primary), role(vip6, primary))
	f.Logf("held %s after the start, with TCP-MD5 and another route server down", f.held(first, role(vip4, primary), role(vip6, primary)))
	if err := f.StartRouteServer(f.ctx, "rs2"); err != nil {
		f.Fatal(err)
	}
	f.Logf("held at the late route server after %s", f.held(all, role(vip4, primary), role(vip6, primary)))
	ping, err := f.Probe(lab.Client, vip4.Addr(), 10*time.Millisecond)
	if err != nil {
		f.Fatal(err)
	}
	defer ping.Stop()
	if err := ping.Wait(f.ctx, lab.HostA); err != nil {
		f.Fatal(err)
	}

	if f.repeats { // what it says once more is no change
		f.quiet("rs1")
	}
	steady := time.Now()
	before := f.session("rs1")
	f.apply(role(vip4, primary), role(vip6, primary))
	f.apply(role(vip4, secondary), role(vip6, primary))
	f.Logf("role change held after %s", f.held(all, role(vip4, secondary), role(vip6, primary)))
	f.apply(role(vip4, secondary, plugins.GracefulShutdown), role(vip6, primary))
	f.Logf("drain held after %s", f.held(all, role(vip4, secondary, plugins.GracefulShutdown), role(vip6, primary)))
	// One UPDATE for each change: none for the Apply of the same.
	if now := f.session("rs1"); now.Established != before.Established || now.Updates != before.Updates+2 {
		f.Errorf("rs1 had %+v, and has %+v", before, now)
	}
	if r := ping.Settled(steady); r.Lost > 0 {
		f.Errorf("through changes of role: %s", r)
	}
	f.apply(role(vip6, primary))
	f.Logf("withdrawal of one seen after %s", f.held(all, role(vip6, primary)))

	if err := f.StopRouteServer(f.ctx, "rs2", true); err != nil {
		f.Fatal(err)
	}
	if err := f.StartRouteServer(f.ctx, "rs2"); err != nil {
		f.Fatal(err)
	}
	f.Logf("held again after a restart of rs2: %s", f.held(all, role(vip6, primary)))
	if now := f.session("rs1"); now.Established != before.Established {
		f.Errorf("the session with rs1 did not stay: %+v", now)
	}

	began := time.Now()
	f.until("Apply", func() error { return f.b.Apply(f.ctx, plugins.Speaker{}) })
	f.held(all)
	f.Logf("all gone %s after the stop", time.Since(began))
	f.until("the Cease in rs1's view", func() error {
		s := f.session("rs1")
		if s.State == plugins.StateEstablished || s.LastError == "" {
			return fmt.Errorf("it tells %+v", s)
		}
		return nil
	})
}

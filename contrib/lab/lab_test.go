package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/lab/rs"
	"github.com/stentor-net/stentor/plugins"
)

const (
	primary   = plugins.Community(65000<<16 | 1)
	secondary = plugins.Community(65000<<16 | 2)
)

var labs atomic.Int32

// needRoot skips without the rights that labs outside a sandbox need.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for network namespaces that ip-netns(8) sees")
	}
}

// bounded is a context that ends well before the test binary would.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// newLab makes a lab with a name and a folder that no other one has. The
// folder is one that FRR's own user can enter, as t.TempDir is not.
func newLab(t *testing.T, o Options) *Lab {
	t.Helper()
	needRoot(t)
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	o.Name, o.Dir = fmt.Sprintf("lt%d-%d", os.Getpid(), labs.Add(1)), filepath.Join(dir, "lab")
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Errorf("Down: %v", err)
		}
	})
	return l
}

func upLab(t *testing.T, o Options) *Lab {
	t.Helper()
	l := newLab(t, o)
	if err := l.Up(bounded(t)); err != nil {
		t.Fatal(err)
	}
	return l
}

// start runs the stand-in announcer on a host.
func start(t *testing.T, l *Lab, host string) *Process {
	t.Helper()
	s := &scenario{lab: l, binary: "/proc/self/exe", hosts: map[string]*Process{}}
	if err := s.writeConfig(host, demoConfig(demoRoles[host], GoBGP, "")); err != nil {
		t.Fatal(err)
	}
	if err := s.run(host); err != nil {
		t.Fatal(err)
	}
	return s.hosts[host]
}

// eventually polls until f says nothing more.
func eventually(t *testing.T, what string, f func() string) {
	t.Helper()
	err := poll(bounded(t), what, func() (bool, string) {
		why := f()
		return why == "", why
	})
	if err != nil {
		t.Fatal(err)
	}
}

// view is what matters of a route server's table.
type view struct {
	Prefix    string
	From      netip.Addr
	Community plugins.Community
	LocalPref uint32
	Best      bool
}

func views(routes []rs.Route) []view {
	var out []view
	for _, r := range routes {
		v := view{Prefix: r.Prefix.String(), From: r.From, LocalPref: r.LocalPref, Best: r.Best}
		if len(r.Communities) == 1 {
			v.Community = r.Communities[0]
		}
		out = append(out, v)
	}
	return out
}

// wantTable waits until every route server has the two prefixes of each host.
func wantTable(t *testing.T, l *Lab, hosts ...string) {
	t.Helper()
	var want []view
	for _, prefix := range []string{"198.18.0.1/32", "2001:db8:5a:1::/64"} {
		for i, host := range hosts {
			v := view{Prefix: prefix, From: l.Addrs(host)[1], Community: primary, LocalPref: 200, Best: i == 0}
			if host == HostB {
				v.Community, v.LocalPref = secondary, 100
			}
			want = append(want, v)
		}
	}
	for _, server := range l.RouteServers() {
		eventually(t, server+"'s table", func() string {
			routes, err := l.Routes(t.Context(), server)
			if err != nil {
				return err.Error()
			}
			return cmp.Diff(want, views(routes), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
		})
	}
}

func TestUpAndDownLeaveNothing(t *testing.T) {
	l := upLab(t, Linode(10, 4))
	p, err := l.Start(HostA, "idle", []string{"/proc/self/exe", "idle"})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range append(l.Nodes(), wire) {
		if _, err := os.Stat(l.NetNS(node)); err != nil {
			t.Errorf("while up: %v", err)
		}
	}
	if err := l.Down(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("a process on a host outlived Down")
	}
	for _, node := range append(l.Nodes(), wire) {
		if _, err := os.Stat(l.NetNS(node)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("network namespace of %s is still there: %v", node, err)
		}
	}
	if _, err := os.Stat(l.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("folder is still there: %v", err)
	}
	if err := l.Down(); err != nil {
		t.Errorf("Down again: %v", err)
	}
}

func TestUpRefusesAForeignNamespace(t *testing.T) {
	first := upLab(t, Linode(10, 1))
	second := newLab(t, Linode(10, 1))
	second.opts.Name = first.opts.Name
	err := second.Up(bounded(t))
	if err == nil || !strings.Contains(err.Error(), "not this lab's") {
		t.Fatalf("Up with the namespaces of another lab: %v", err)
	}
	if _, err := os.Stat(first.NetNS(HostA)); err != nil {
		t.Errorf("the other lab was harmed: %v", err)
	}
}

func TestNewRefusesAForeignFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	o := Linode(10, 1)
	o.Name, o.Dir = "foreign", dir
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "no lab's") {
		t.Fatalf("New in a folder with files in it: %v", err)
	}
}

func TestTopologyReaches(t *testing.T) {
	linode := Linode(10, 4)
	tor := Peering([]plugins.Peer{{Name: "tor1", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64512}}, 65001)
	for name, o := range map[string]Options{"routed": linode, "shared segment": tor} {
		t.Run(name, func(t *testing.T) {
			l := upLab(t, o)
			for _, path := range []struct {
				from string
				to   netip.Addr
				host string // as the TTL tells it
			}{
				{Client, l.Addrs(HostA)[0], HostA},
				{Client, l.Addrs(HostA)[1], HostA},
				{Client, l.Addrs(HostB)[0], HostB},
				{Client, l.Addrs(HostB)[1], HostB},
				{HostA, o.Peers[0].Addr, ""},
				{HostB, o.Peers[len(o.Peers)-1].Addr, ""},
				{HostA, l.Addrs(HostB)[0], HostB},
			} {
				p, err := l.Probe(path.from, path.to, pace)
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Wait(bounded(t), path.host); err != nil {
					t.Errorf("from %s: %v", path.from, err)
				}
				p.Stop()
			}
		})
	}
}

// TestRouteServersPreferThePrimary is the lab's reason: by community, in every
// implementation, with the traffic following.
func TestRouteServersPreferThePrimary(t *testing.T) {
	for _, kind := range []Kind{Embedded, FRR, BIRD} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			o := Linode(10, 2)
			o.RouteServers = kind
			o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
			l := upLab(t, o)
			ping, err := l.Probe(Client, demoVIPs[0], pace)
			if err != nil {
				t.Fatal(err)
			}
			defer ping.Stop()

			start(t, l, HostB)
			wantTable(t, l, HostB)
			if err := ping.Wait(bounded(t), HostB); err != nil {
				t.Fatal(err)
			}
			a := start(t, l, HostA)
			wantTable(t, l, HostA, HostB)
			if err := ping.Wait(bounded(t), HostA); err != nil {
				t.Fatal(err)
			}
			wantSessions(t, l, "rs1", plugins.StateEstablished)
			if err := a.Stop(bounded(t)); err != nil {
				t.Fatal(err)
			}
			wantTable(t, l, HostB)
			if err := ping.Wait(bounded(t), HostB); err != nil {
				t.Fatal(err)
			}
			if err := l.StopRouteServer(bounded(t), "rs1", true); err != nil {
				t.Fatal(err)
			}
			if err := l.StartRouteServer(bounded(t), "rs1"); err != nil {
				t.Fatal(err)
			}
			wantTable(t, l, HostB)
		})
	}
}

func wantSessions(t *testing.T, l *Lab, server string, state plugins.SessionState) {
	t.Helper()
	sessions, err := l.Sessions(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	if len(sessions) != 2 {
		t.Fatalf("%s has %d sessions, want one for each host: %+v", server, len(sessions), sessions)
	}
	for _, s := range sessions {
		if s.State != state || s.Established != 1 || s.Updates == 0 {
			t.Errorf("%s: session %+v, want it %s for the first time, with updates", server, s, state)
		}
	}
}

package frr

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/contrib/lab/rs"
	"github.com/stentor-net/stentor/plugins"
)

const (
	vipA = "198.18.0.1/32"
	vipB = "2001:db8:5a:1::/64"
	addB = "2001:db8:5a:1::5/128" // what the host holds of it

	primary   = plugins.Community(65000<<16 | 1)
	secondary = plugins.Community(65000<<16 | 2)

	daemonDir = "/usr/lib/frr/"
	patience  = 25 * time.Second // of every wait; nothing that works takes that long
)

// rig is a lab whose host a runs FRR with an operator's configuration.
type rig struct {
	testing.TB
	*lab.Lab
	ctx     context.Context
	b       *Backend
	options lab.Options
	frr     install // on host a
	running map[string]*lab.Process
}

var rigs atomic.Int32

// newRig brings up a lab with n route servers of a kind, and FRR on host a,
// configured by operator.
func newRig(t testing.TB, put installer, kind lab.Kind, n int, operator string) *rig {
	t.Helper()
	o := lab.Linode(4, n)
	o.RouteServers = kind
	return newRigWith(t, put, o, operator)
}

func newRigWith(t testing.TB, put installer, o lab.Options, operator string) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the lab makes network namespaces")
	}
	dir, err := os.MkdirTemp("", "frr") // FRR's own user must be able to enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	r := &rig{TB: t, ctx: ctx, options: o, running: map[string]*lab.Process{}}
	r.options.Dir = filepath.Join(dir, "lab")
	r.options.Name = fmt.Sprintf("fb%d-%d", os.Getpid(), rigs.Add(1))
	if r.Lab, err = lab.New(r.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("running configuration:\n%s", mask(r.config()))
			for name, p := range r.running {
				t.Logf("the log of %s:\n%s", name, p.Tail(20))
			}
		}
		if err := r.Down(); err != nil {
			t.Errorf("Down: %v", err)
		}
	})
	if err := r.Up(ctx); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{vipA, addB} {
		r.onHost("ip", "address", "add", a, "dev", "lo")
	}
	r.frr = put(ctx, t, filepath.Join(r.Dir(), "frr"))
	r.startFRR(operator)
	r.b = r.newBackend(nil)
	return r
}

// newBackend gives a configured one, as after a start of stentor.
func (r *rig) newBackend(settings map[string]any) *Backend {
	r.Helper()
	b := New(slog.New(slog.NewTextHandler(r.Output(), nil)))
	c := plugins.Config{StateDir: r.state(), Settings: map[string]any{"vty_socket": r.frr.sockets, "vtysh": r.frr.vtysh[0]}}
	for k, v := range settings {
		c.Settings[k] = v
	}
	if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
		r.Fatal(err)
	}
	if err := b.Configure(r.ctx, c); err != nil {
		r.Fatal(err)
	}
	return b
}

// state is the backend's folder; FRR must see it.
func (r *rig) state() string { return filepath.Join(r.frr.dir, "state") }

// Output is the test's, not the lab's.
func (r *rig) Output() interface{ Write([]byte) (int, error) } { return r.TB.Output() }

func (r *rig) onHost(argv ...string) string {
	r.Helper()
	out, err := r.Lab.Output(r.ctx, lab.HostA, argv...)
	if err != nil {
		r.Fatal(err)
	}
	return string(out)
}

// startFRR starts the daemons as FRR's own service does: without any
// configuration, which vtysh then gives them.
func (r *rig) startFRR(operator string) {
	r.Helper()
	if err := os.WriteFile(r.frr.conf, []byte(operator), 0o644); err != nil {
		r.Fatal(err)
	}
	for _, name := range r.frr.daemons {
		r.startDaemon(name)
	}
	r.boot()
}

func (r *rig) startDaemon(name string) {
	r.Helper()
	r.running[name] = r.launch(lab.HostA, r.frr, name)
}

// launch starts a daemon of an install on a node.
func (r *rig) launch(node string, in install, name string) *lab.Process {
	r.Helper()
	p, err := r.Start(node, node+"-"+name, in.command(name))
	if err != nil {
		r.Fatal(err)
	}
	r.until(name+" to listen", func() (bool, any) {
		d, err := dial(r.ctx, filepath.Join(in.sockets, name+".vty"))
		if err == nil {
			d.close()
		}
		return err == nil, err
	})
	return p
}

// boot gives the daemons the operator's frr.conf.
func (r *rig) boot() {
	r.Helper()
	if out, err := r.shell("-b").CombinedOutput(); err != nil {
		r.Fatalf("vtysh -b: %v: %s", err, out)
	}
}

func (r *rig) shell(args ...string) *exec.Cmd { return r.frr.shell(args...) }

// vtysh runs one command on host a's FRR.
func (r *rig) vtysh(commands ...string) string {
	r.Helper()
	var args []string
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	out, err := r.shell(args...).Output()
	if err != nil {
		r.Fatalf("vtysh %q: %v: %s", commands, err, out)
	}
	return string(out)
}

func (r *rig) config() string { return r.vtysh("show running-config") }

// until polls a condition; it fails the test with what was last seen.
func (r *rig) until(what string, cond func() (ok bool, seen any)) {
	r.Helper()
	var seen any
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		var ok bool
		if ok, seen = cond(); ok {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	r.Fatalf("waited %s for %s; last seen: %+v", patience, what, seen)
}

func (r *rig) apply(want plugins.Speaker) {
	r.Helper()
	if err := r.b.Apply(r.ctx, want); err != nil {
		r.Fatalf("Apply: %v", err)
	}
}

// speaker announces to the lab's route servers.
func (r *rig) speaker(announcements ...plugins.Announcement) plugins.Speaker {
	s := plugins.Speaker{ASN: 65001, RouterID: netip.MustParseAddr("100.64.10.2"), Announcements: announcements}
	for _, p := range r.options.Peers {
		p.Hold, p.Keepalive, p.ConnectRetry = 9*time.Second, 3*time.Second, time.Second
		s.Peers = append(s.Peers, p)
	}
	return s
}

func announce(prefix string, role plugins.Community) plugins.Announcement {
	return plugins.Announcement{VIP: "web", Prefix: netip.MustParsePrefix(prefix), Communities: []plugins.Community{role}}
}

// route waits until a route server holds a prefix as wanted.
func (r *rig) route(server, prefix string, as func(rs.Route) bool) rs.Route {
	r.Helper()
	var found rs.Route
	r.until(prefix+" at "+server, func() (bool, any) {
		routes, err := r.Routes(r.ctx, server)
		i := slices.IndexFunc(routes, func(x rs.Route) bool { return x.Prefix.String() == prefix && as(x) })
		if i >= 0 {
			found = routes[i]
		}
		return i >= 0, fmt.Sprintf("%+v %v; told %s", routes, err, r.told())
	})
	return found
}

func withRole(c plugins.Community) func(rs.Route) bool {
	return func(x rs.Route) bool { return slices.Contains(x.Communities, c) }
}

// gone waits until a route server holds no route to prefix.
func (r *rig) gone(server, prefix string) {
	r.Helper()
	r.until(prefix+" gone from "+server, func() (bool, any) {
		routes, err := r.Routes(r.ctx, server)
		return err == nil && !slices.ContainsFunc(routes, func(x rs.Route) bool { return x.Prefix.String() == prefix }), routes
	})
}

// told is what Observe says, in a line per peer.
func (r *rig) told() string {
	s, err := r.b.Observe(r.ctx)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, p := range s.Peers {
		out = append(out, fmt.Sprintf("%s %s %v %q", p.Name, p.State, p.Announced, p.LastError))
	}
	return strings.Join(out, "\n")
}

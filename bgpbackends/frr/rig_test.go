package frr

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
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
	*testing.T
	*lab.Lab
	ctx     context.Context
	b       *Backend
	options lab.Options
	dir     string // FRR's on host a
	running map[string]*lab.Process
}

var rigs atomic.Int32

// newRig brings up a lab with n route servers of a kind, and FRR on host a,
// configured by operator.
func newRig(t *testing.T, kind lab.Kind, n int, operator string) *rig {
	t.Helper()
	o := lab.Linode(4, n)
	o.RouteServers = kind
	return newRigWith(t, o, operator)
}

func newRigWith(t *testing.T, o lab.Options, operator string) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the lab makes network namespaces")
	}
	if _, err := os.Stat(daemonDir + "bgpd"); err != nil {
		t.Skipf("needs FRR: %v", err)
	}
	dir, err := os.MkdirTemp("", "frr") // FRR's own user must be able to enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	t.Cleanup(cancel)
	r := &rig{T: t, ctx: ctx, options: o, running: map[string]*lab.Process{}}
	r.options.Dir = filepath.Join(dir, "lab")
	r.options.Name = fmt.Sprintf("fb%d-%d", os.Getpid(), rigs.Add(1))
	if r.Lab, err = lab.New(r.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("running configuration:\n%s", mask(r.config()))
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
	r.dir = filepath.Join(r.Dir(), "frr")
	r.startFRR(operator)
	r.b = r.newBackend(nil)
	return r
}

// newBackend gives a configured one, as after a start of stentor.
func (r *rig) newBackend(settings map[string]any) *Backend {
	r.Helper()
	b := New(slog.New(slog.NewTextHandler(r.Output(), nil)))
	c := plugins.Config{StateDir: filepath.Join(r.Dir(), "state"), Settings: map[string]any{"vty_socket": r.dir}}
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

// Output is the test's, not the lab's.
func (r *rig) Output() interface{ Write([]byte) (int, error) } { return r.T.Output() }

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
	frr, err := user.Lookup("frr")
	if err != nil {
		r.Skip(err)
	}
	uid, _ := strconv.Atoi(frr.Uid)
	gid, _ := strconv.Atoi(frr.Gid)
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		r.Fatal(err)
	}
	for name, text := range map[string]string{"frr.conf": operator, "vtysh.conf": "", "empty.conf": ""} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644); err != nil {
			r.Fatal(err)
		}
	}
	if err := os.Chown(r.dir, uid, gid); err != nil {
		r.Fatal(err)
	}
	for _, name := range []string{"zebra", "staticd", "bfdd", "bgpd"} {
		r.startDaemon(name)
	}
	r.boot()
}

func (r *rig) startDaemon(name string) {
	r.Helper()
	in := func(file string) string { return filepath.Join(r.dir, file) }
	p, err := r.Start(lab.HostA, "a-"+name, []string{daemonDir + name, "-f", in("empty.conf"), "-i", in(name + ".pid"),
		"-z", in("zserv.api"), "--vty_socket", r.dir, "-A", "127.0.0.1", "-P", "0", "--log", "stdout"})
	if err != nil {
		r.Fatal(err)
	}
	r.running[name] = p
	r.until(name+" to listen", func() (bool, any) {
		d, err := dial(r.ctx, in(name+".vty"))
		if err == nil {
			d.close()
		}
		return err == nil, err
	})
}

// boot gives the daemons the operator's frr.conf.
func (r *rig) boot() {
	r.Helper()
	if out, err := exec.Command(defaultVTYSH, "--vty_socket", r.dir, "--config_dir", r.dir, "-b").CombinedOutput(); err != nil {
		r.Fatalf("vtysh -b: %v: %s", err, out)
	}
}

// vtysh runs one command on host a's FRR.
func (r *rig) vtysh(commands ...string) string {
	r.Helper()
	args := []string{"--vty_socket", r.dir, "--config_dir", r.dir}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	out, err := exec.Command(defaultVTYSH, args...).Output()
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

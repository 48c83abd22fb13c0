package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"github.com/stentor-net/stentor/contrib/lab/probe"
	"github.com/stentor-net/stentor/contrib/lab/rs"
)

var binary string // stentor, built from this tree

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "e2e-")
	if err == nil {
		binary = filepath.Join(dir, "stentor")
		build := exec.Command("go", "build", "-o", dir+"/", "../../../cmd/...")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "build stentor:", err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// rig is a lab with stentor on its hosts.
type rig struct {
	*lab.Lab
	t    *testing.T
	proc map[string]*lab.Process
}

var count atomic.Int32

// newRig brings up a lab as in a Linode data centre.
func newRig(t *testing.T, kind lab.Kind) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the lab makes network namespaces")
	}
	needs(t, kind)
	o := lab.Linode(10, 4)
	o.RouteServers = kind
	o.Name = fmt.Sprintf("e2e%d-%d", os.Getpid()%10000, count.Add(1))
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // FRR runs as a user of its own
		t.Fatal(err)
	}
	o.Dir = filepath.Join(dir, "lab")
	l, err := lab.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Lab: l, t: t, proc: map[string]*lab.Process{}}
	t.Cleanup(func() {
		if t.Failed() {
			r.showAll()
		}
		if err := l.Down(); err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	if err := l.Up(r.limit(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return r
}

// needs skips a test when a daemon is not there.
func needs(t *testing.T, kind lab.Kind) {
	t.Helper()
	for k, program := range map[lab.Kind]string{lab.FRR: "/usr/lib/frr/bgpd", lab.BIRD: "/usr/sbin/bird"} {
		if _, err := os.Stat(program); k == kind && err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
}

func (r *rig) limit(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	r.t.Cleanup(cancel)
	return ctx
}

func (r *rig) file(host string) string { return filepath.Join(r.Dir(), host, "stentor.toml") }

func (r *rig) args(host string, verb ...string) []string {
	dir := filepath.Join(r.Dir(), host)
	return append(append([]string{binary}, verb...), "--config", r.file(host),
		"--socket", filepath.Join(dir, "s.sock"), "--state-dir", filepath.Join(dir, "state"))
}

// config writes a host's config: VIPs as NAME=ADDRESS=ROLE. What a drain tells
// the peers stands for long enough to be seen at each of them.
func (r *rig) config(host string, vips ...string) {
	r.t.Helper()
	text := "[network]\nbackend = \"iproute\"\n[bgp]\nprovider = \"linode\"\ndcid = 10\ndrain_grace = \"10s\"\n"
	for _, v := range vips {
		f := strings.Split(v, "=")
		text += fmt.Sprintf("[vip.%s]\naddress = %q\nrole = %q\n", f[0], f[1], f[2])
	}
	r.write(host, text)
}

func (r *rig) write(host, text string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(r.file(host)), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(r.file(host), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) start(host string) {
	r.t.Helper()
	p, err := r.Start(host, "stentor-"+host, r.args(host, "run"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.proc[host] = p
}

// stop ends stentor in good order.
func (r *rig) stop(host string) {
	r.t.Helper()
	if err := r.proc[host].Stop(r.limit(30 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
}

// run runs a verb on a host, and gives what it wrote and its exit code.
func (r *rig) run(host string, verb ...string) (stdout, stderr string, code int) {
	r.t.Helper()
	args := append([]string{"--net=" + r.NetNS(host), "--"}, r.args(host, verb...)...)
	cmd := exec.CommandContext(r.limit(3*time.Minute), "nsenter", args...)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return out.String(), talk.String(), cmd.ProcessState.ExitCode()
}

// must runs a verb that has to succeed.
func (r *rig) must(host string, verb ...string) string {
	r.t.Helper()
	out, talk, code := r.run(host, verb...)
	if code != 0 {
		r.t.Fatalf("stentor %s: exit code %d\n%s%s", strings.Join(verb, " "), code, out, talk)
	}
	return out
}

// sh runs a command on a node.
func (r *rig) sh(node string, argv ...string) string {
	r.t.Helper()
	out, err := r.Output(r.limit(30*time.Second), node, argv...)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(out)
}

// view is the part of the status JSON that the tests look at.
type view struct {
	Generation int
	Converged  bool
	VIPs       []vipView
	Peers      []peerView
	Problems   []struct{ Object, Message string }
	Backends   []backendView
	Checks     []checkView
}

type checkView struct {
	Name, State, Output string
	Since               time.Time
	TookMS              float64 `json:"took_ms"`
}

type backendView struct {
	Name, Kind    string
	User, Peer    string
	PID, Restarts int
	Isolated      bool
	Powerless     bool
	LastEnd       string `json:"last_end"`
}

type peerView struct {
	Name, State string
	Announced   int
	Received    int
	LastError   string `json:"last_error"`
}

type vipView struct {
	Name, Address, Announce, Role, State, Why string
	Demoted                                   bool
	Penalty                                   int
	OnHost                                    bool     `json:"on_host"`
	AnnouncedTo                               []string `json:"announced_to"`
}

func (r *rig) status(host string) (v view) {
	r.t.Helper()
	out, talk, code := r.run(host, "status", "--json")
	if code != 0 && code != 4 {
		r.t.Fatalf("status: exit code %d: %s", code, talk)
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		r.t.Fatal(err)
	}
	return v
}

// until polls ok, which says what it saw, until it is true or the time is over.
func (r *rig) until(what string, within time.Duration, ok func() (bool, string)) {
	r.t.Helper()
	end := time.Now().Add(within)
	for {
		good, saw := ok()
		if good {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("%s: not within %s; saw: %s", what, within, saw)
		}
		select {
		case <-r.t.Context().Done():
			r.t.Fatal("out of time")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// holds waits until exactly the given routes of host are at every route server,
// as PREFIX=COMMUNITIES.
func (r *rig) holds(host string, within time.Duration, want ...string) {
	r.t.Helper()
	slices.Sort(want)
	r.until(fmt.Sprintf("routes of %s", host), within, func() (bool, string) {
		var saw strings.Builder
		all := true
		for _, server := range r.RouteServers() {
			got, err := r.routes(host, server)
			fmt.Fprintf(&saw, "\n%s: %v %v", server, got, err)
			all = all && err == nil && slices.Equal(got, want)
		}
		return all, saw.String() + "\nwant " + fmt.Sprint(want)
	})
}

// passes is holds for what does not stay: each route server has it at some time.
func (r *rig) passes(host string, within time.Duration, want ...string) {
	r.t.Helper()
	slices.Sort(want)
	left := r.RouteServers()
	r.until(fmt.Sprintf("routes of %s, for a while", host), within, func() (bool, string) {
		var saw strings.Builder
		left = slices.DeleteFunc(left, func(server string) bool {
			got, err := r.routes(host, server)
			fmt.Fprintf(&saw, "\n%s: %v %v", server, got, err)
			return err == nil && slices.Equal(got, want)
		})
		return len(left) == 0, saw.String() + "\nwant " + fmt.Sprint(want)
	})
}

func (r *rig) routes(host, server string) ([]string, error) {
	routes, err := r.Routes(r.limit(5*time.Second), server)
	got := []string{}
	for _, x := range routes {
		if !slices.Contains(r.Addrs(host), x.From) {
			continue
		}
		var communities []string
		for _, c := range x.Communities {
			communities = append(communities, c.String())
		}
		if !slices.Contains(r.Addrs(host), x.NextHop) {
			communities = append(communities, "next hop "+x.NextHop.String())
		}
		got = append(got, x.Prefix.String()+"="+strings.Join(communities, ","))
	}
	slices.Sort(got)
	return got, err
}

// told are the UPDATEs, withdrawals and ends of sessions that an embedded route
// server saw from host since.
func (r *rig) told(host, server string, since time.Time) []rs.Event {
	r.t.Helper()
	events, err := r.Events(server)
	if err != nil {
		r.t.Fatal(err)
	}
	var mine []rs.Event
	for _, e := range events {
		if e.Time.After(since) && slices.Contains(r.Addrs(host), e.Peer) {
			mine = append(mine, e)
		}
	}
	return mine
}

// uptimes says since when each route server has its session with host.
func (r *rig) uptimes(host string) map[string]string {
	r.t.Helper()
	up := map[string]string{}
	for _, server := range r.RouteServers() {
		sessions, err := r.Sessions(r.limit(5*time.Second), server)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, s := range sessions {
			if slices.Contains(r.Addrs(host), s.Peer) && s.State == "established" {
				up[server] = fmt.Sprintf("session %d", s.Established)
			}
		}
	}
	return up
}

func (r *rig) ping(vip string) *probe.Probe {
	r.t.Helper()
	p, err := r.Probe(lab.Client, netip.MustParseAddr(vip), 10*time.Millisecond)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { p.Stop() })
	return p
}

// answers waits until host answers.
func (r *rig) answers(p *probe.Probe, host string, within time.Duration) {
	r.t.Helper()
	if err := p.Wait(r.limit(within), host); err != nil {
		r.t.Fatal(err)
	}
}

// lossless fails if a ping was lost since.
func (r *rig) lossless(p *probe.Probe, since time.Time, what string) {
	r.t.Helper()
	if report := p.Settled(since); report.Lost > 0 {
		r.t.Errorf("%s: %s", what, report)
	}
}

// showAll prints every side's view.
func (r *rig) showAll() {
	for host, p := range r.proc {
		r.t.Logf("log of %s:\n%s", host, p.Tail(40))
		out, err := exec.Command("nsenter", append([]string{"--net=" + r.NetNS(host), "--"}, r.args(host, "status")...)...).CombinedOutput()
		r.t.Logf("status of %s: %v\n%s", host, err, out)
	}
	for _, server := range r.RouteServers() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		sessions, err := r.Sessions(ctx, server)
		r.t.Logf("%s: sessions %+v %v", server, sessions, err)
		routes, err := r.Routes(ctx, server)
		r.t.Logf("%s: routes %+v %v", server, routes, err)
		cancel()
	}
}

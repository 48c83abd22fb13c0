package bird

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// patience bounds every wait of a test; nothing that works takes that long.
const patience = 25 * time.Second

// operatorConf is the bird.conf of somebody who had BIRD before us: sessions,
// filters, static routes, tables and comments of their own. INCLUDE is ours.
const operatorConf = `# core router of the lab; mind the /* in this comment
log stderr all;
router id 192.0.2.99;
timeformat protocol iso long us;

/* kernel: whatever lands in master4 or master6 is installed.
   include "/nowhere/x?.conf";  <- is in a comment */
protocol device { scan time 5; }
protocol kernel k4 { ipv4 { export all; }; }
protocol kernel k6 { ipv6 { export all; }; }

define lab_note = "{ not # a comment /";
include "INCLUDE/st*.conf";

ipv4 table customers;
filter to_transit {
	if net ~ [ 198.51.100.0/24+ ] then accept;
	reject;
}
protocol static own4 { ipv4; route 198.51.100.0/24 blackhole; }
protocol static own6 { ipv6; route 2001:db8:ffff::/48 unreachable; }
template bgp upstream {
	local as 64999;
	multihop 16;
	passive on;
	ipv4 { import all; export filter to_transit; };
	ipv6 { import all; export where source = RTS_STATIC; };
}
protocol bgp transit1 from upstream { neighbor 100.64.11.77 as 64998; }
`

// birdProgram is the BIRD under test; $STENTOR_TEST_BIRD names another version.
func birdProgram(t *testing.T) string {
	t.Helper()
	program := "/usr/sbin/bird"
	if other := os.Getenv("STENTOR_TEST_BIRD"); other != "" {
		program = other
	}
	if _, err := os.Stat(program); err != nil {
		t.Skipf("needs BIRD: %v", err)
	}
	return program
}

// rig is a lab whose host A runs an operator's BIRD, with a backend for it.
type rig struct {
	*testing.T
	net     *lab.Lab
	dir     string // of the operator's BIRD
	program string
	user    []string // bird's -u and -g
	daemon  *lab.Process
	b       *Backend
}

var count atomic.Int32

func newRig(t *testing.T, kind lab.Kind, servers int) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the lab makes network namespaces")
	}
	program := birdProgram(t)
	o := lab.Linode(10, servers)
	o.RouteServers = kind
	o.Name = fmt.Sprintf("bb%d-%d", os.Getpid()%100000, count.Add(1))
	dir, err := os.MkdirTemp("", "bb-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // daemons change their user
		t.Fatal(err)
	}
	o.Dir = filepath.Join(dir, "lab")
	l, err := lab.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, net: l, dir: filepath.Join(dir, "bird"), program: program}
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
	if err := os.MkdirAll(r.includeDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write("bird.conf", strings.ReplaceAll(operatorConf, "INCLUDE", r.includeDir()))
	r.startBIRD()
	r.b = r.backend()
	return r
}

func (r *rig) socket() string     { return filepath.Join(r.dir, "bird.ctl") }
func (r *rig) includeDir() string { return filepath.Join(r.dir, "inc") }
func (r *rig) ownFile() string    { return filepath.Join(r.includeDir(), fileName) }

func (r *rig) write(name, text string) {
	r.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) read(path string) string {
	r.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		r.Fatal(err)
	}
	return string(raw)
}

// backend gives a new one, as after a start of our process.
func (r *rig) backend() *Backend {
	r.Helper()
	b := New(slog.New(slog.NewTextHandler(r.Output(), nil)))
	err := b.Configure(r.Context(), plugins.Config{
		Settings: map[string]any{"socket": r.socket(), "include_dir": r.includeDir()},
		StateDir: r.TempDir(),
	})
	if err != nil {
		r.Fatal(err)
	}
	return b
}

func (r *rig) startBIRD() {
	r.Helper()
	argv := append([]string{r.program, "-f", "-c", filepath.Join(r.dir, "bird.conf"), "-s", r.socket(), "-P", filepath.Join(r.dir, "pid")}, r.user...)
	p, err := r.net.Start(lab.HostA, "operator-bird", argv)
	if err != nil {
		r.Fatal(err)
	}
	r.daemon = p
	r.until("BIRD to answer", func() (bool, any) {
		select {
		case <-p.Done():
			r.Fatalf("BIRD has ended: %s", p.Tail(5))
		default:
		}
		s, err := dial(r.Context(), r.socket())
		if err != nil {
			return false, err
		}
		s.close()
		return true, nil
	})
}

func (r *rig) stopBIRD() {
	r.Helper()
	if err := r.daemon.Stop(r.limit(patience)); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) limit(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(r.Context(), d)
	r.Cleanup(cancel)
	return ctx
}

func (r *rig) showAll() {
	if raw, err := os.ReadFile(r.ownFile()); err == nil {
		r.Logf("our file:\n%s", raw)
	}
	if s, err := dial(context.Background(), r.socket()); err == nil {
		defer s.close()
		if reply, err := s.ask(context.Background(), "show protocols all"); err == nil {
			for _, l := range reply {
				r.Log(l.text)
			}
		}
	}
	if r.daemon != nil {
		r.Logf("BIRD said:\n%s", r.daemon.Tail(20))
	}
}

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
	r.Fatalf("waited %s for %s; last seen: %v", patience, what, seen)
}

func (r *rig) apply(want plugins.Speaker) {
	r.Helper()
	if err := r.b.Apply(r.Context(), want); err != nil {
		r.Fatalf("Apply: %v", err)
	}
}

// settled checks that there is nothing left to do.
func (r *rig) settled(want plugins.Speaker) {
	r.Helper()
	plan, err := r.b.Plan(r.Context(), want)
	if err != nil || len(plan.Steps) > 0 {
		r.Fatalf("Plan after Apply: %v, %v", plan, err)
	}
}

func (r *rig) observe(name string) plugins.PeerState {
	r.Helper()
	s, err := r.b.Observe(r.Context())
	if err != nil {
		r.Fatalf("Observe: %v", err)
	}
	for _, p := range s.Peers {
		if p.Name == name {
			return p
		}
	}
	r.Fatalf("Observe knows no peer %s: %+v", name, s)
	return plugins.PeerState{}
}

func (r *rig) established(names ...string) {
	r.Helper()
	for _, name := range names {
		r.until(name+" established", func() (bool, any) {
			s := r.observe(name)
			return s.State == plugins.StateEstablished, s
		})
	}
}

// tells waits until Observe says that the peer was told exactly these.
func (r *rig) tells(name string, prefixes ...string) {
	r.Helper()
	want := strings.Join(prefixes, " ")
	r.until(fmt.Sprintf("%s told [%s]", name, want), func() (bool, any) {
		s := r.observe(name)
		got := make([]string, len(s.Announced))
		for i, p := range s.Announced {
			got[i] = p.String()
		}
		return strings.Join(got, " ") == want, s
	})
}

// operators gives what BIRD says of everything that is not ours, and since when.
func (r *rig) operators() map[string]time.Time {
	r.Helper()
	since := map[string]time.Time{}
	for _, p := range parseProtocols(r.ask("show protocols")) {
		if !strings.HasPrefix(p.name, ours) {
			t, ok := parseTime(p.since, time.Now())
			if !ok {
				r.Fatalf("%s is up since %q", p.name, p.since)
			}
			since[p.name+" "+p.state] = t
		}
	}
	return since
}

// untouched compares with an earlier look at the operator's part. BIRD's wall
// clock times are computed anew each time: they differ in their last digits, and
// are too late by as long as BIRD was kept from running meanwhile. What was
// started anew is later at each look.
func (r *rig) untouched(before map[string]time.Time) {
	r.Helper()
	r.until("the operator's protocols as they were", func() (bool, any) {
		after := r.operators()
		same := len(after) == len(before)
		for name, t := range before {
			since, ok := after[name]
			same = same && ok && since.Sub(t) <= 100*time.Millisecond
		}
		return same, fmt.Sprintf("%v, they were %v", after, before)
	})
}

// ask gives the operator's BIRD one command.
func (r *rig) ask(command string) reply {
	r.Helper()
	s, err := dial(r.Context(), r.socket())
	if err != nil {
		r.Fatal(err)
	}
	defer s.close()
	reply, err := s.ask(r.Context(), command)
	if err != nil && refused(err) == 0 {
		r.Fatal(err)
	}
	return reply
}

// scripted starts a scripted peer on host B, which records all it is sent.
func (r *rig) scripted(change func(*bgppeer.Config)) (*bgppeer.Peer, plugins.Peer) {
	r.Helper()
	addr := hostAddr(r.net.Addrs(lab.HostB), false)
	cfg := bgppeer.Config{Listen: netip.AddrPortFrom(addr, 179), ASN: 65000}
	if change != nil {
		change(&cfg)
	}
	var p *bgppeer.Peer
	err := r.net.Do(lab.HostB, func() (err error) {
		p, err = bgppeer.Start(cfg)
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		p.Close()
		if r.Failed() {
			r.Logf("the peer saw:\n%s", p.Transcript())
		}
	})
	peer := r.peer("probe", cfg.Listen.Addr())
	peer.ASN = cfg.ASN
	return p, peer
}

// neighbor starts another BIRD on host B, which waits for host A.
func (r *rig) neighbor(protocols, options string) {
	r.Helper()
	own, other := hostAddr(r.net.Addrs(lab.HostB), false), hostAddr(r.net.Addrs(lab.HostA), false)
	r.write("b.conf", fmt.Sprintf(`log stderr all;
router id 192.0.2.98;
protocol device {}
%s
protocol bgp a {
	local %s as 65000;
	neighbor %s as 65001;
	multihop 16;
	passive on;
	%s
	ipv4 { extended next hop on; import all; export none; };
	ipv6 { import all; export none; };
}
`, protocols, own, other, options))
	in := func(name string) string { return filepath.Join(r.dir, name) }
	if _, err := r.net.Start(lab.HostB, "neighbor-bird", []string{"/usr/sbin/bird", "-f", "-c", in("b.conf"), "-s", in("b.ctl"), "-P", in("b.pid")}); err != nil {
		r.Fatal(err)
	}
}

// peer is a peer of AS 65000 with the timers of a Linode host.
func (r *rig) peer(name string, addr netip.Addr) plugins.Peer {
	return plugins.Peer{
		Name: name, Addr: addr, ASN: 65000, LocalAddr: hostAddr(r.net.Addrs(lab.HostA), addr.Is4()),
		Hold: 9 * time.Second, Keepalive: 3 * time.Second, ConnectRetry: 2 * time.Second, TTL: 16,
	}
}

func (r *rig) routeServers() []plugins.Peer {
	var l []plugins.Peer
	for i, name := range r.net.RouteServers() {
		l = append(l, r.peer(name, netip.MustParseAddr(fmt.Sprintf("2600:3c0f:10:34::%d", i+1))))
	}
	return l
}

func hostAddr(addrs []netip.Addr, four bool) netip.Addr {
	return addrs[slices.IndexFunc(addrs, func(a netip.Addr) bool { return a.Is4() == four })]
}

func (r *rig) event(p *bgppeer.Peer, what string, match func(bgppeer.Event) bool) bgppeer.Event {
	r.Helper()
	e, err := p.Wait(r.limit(patience), match)
	if err != nil {
		r.Fatalf("waiting for %s: %v", what, err)
	}
	return e
}

func announcement(prefix string, role int) plugins.Announcement {
	return plugins.Announcement{
		VIP: "web", Prefix: netip.MustParsePrefix(prefix),
		Communities: []plugins.Community{plugins.Community(65000<<16 | uint32(role))},
	}
}

func speakerOf(peers []plugins.Peer, announcements ...plugins.Announcement) plugins.Speaker {
	return plugins.Speaker{
		ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.7"),
		Peers: peers, Announcements: announcements,
	}
}

// files lists the folder that our file is in.
func (r *rig) files() []string {
	r.Helper()
	entries, err := os.ReadDir(r.includeDir())
	if err != nil {
		r.Fatal(err)
	}
	var l []string
	for _, e := range entries {
		l = append(l, e.Name())
	}
	return l
}

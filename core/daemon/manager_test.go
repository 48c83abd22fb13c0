package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/reconcile"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// manager is the far side of sd_notify(3): a datagram socket that is read
// without waiting, so that it serves with and without a fake clock.
type manager struct {
	t   *testing.T
	fd  int
	all []string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t: t, fd: fd}
}

// read gives all messages so far.
func (m *manager) read() []string {
	m.t.Helper()
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(m.fd, buf)
		if errors.Is(err, unix.EAGAIN) {
			return m.all
		}
		if err != nil {
			m.t.Fatal(err)
		}
		m.all = append(m.all, string(buf[:n]))
	}
}

// await gives the index of the first message from n on that starts so.
func (m *manager) await(n int, prefix string) int {
	m.t.Helper()
	at := -1
	eventually(m.t, "the manager is told "+prefix, func() bool {
		for i, s := range m.read() {
			if i >= n && strings.HasPrefix(s, prefix) {
				at = i
				return true
			}
		}
		return false
	})
	return at
}

func (m *manager) count(message string) int {
	n := 0
	for _, s := range m.read() {
		if s == message {
			n++
		}
	}
	return n
}

func monotonic(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano() / 1000
}

func decodeStatus(raw []byte, err error) (*status.Status, error) {
	if err != nil {
		return nil, err
	}
	s := &status.Status{}
	return s, json.Unmarshal(raw, s)
}

// TestManagerIsTold walks through a daemon's life as systemd sees it.
func TestManagerIsTold(t *testing.T) {
	m := newManager(t)
	alone, _, _ := strings.Cut(sound, "[vip.web]") // no address to wait for
	o := options(t, alone)
	client, stop := start(t, o, nil)

	ready := m.await(0, "READY=1")
	if ready != 0 {
		t.Errorf("before READY=1: %q", m.all[:ready])
	}
	m.await(ready, "STATUS=0/0 VIPs announced, 1/1 sessions")
	if _, err := client.Status(t.Context()); err != nil {
		t.Errorf("ready, and no status to be had: %v", err)
	}

	for name, text := range map[string]string{"a config": alone, "a mistake": "[bgp]\nasn = \"?\"\n"} {
		write(t, o.Config, text)
		n, before := len(m.read()), monotonic(t)
		_, err := client.Reload(t.Context())
		if refused := err != nil; refused != (name == "a mistake") {
			t.Errorf("%s: %v", name, err)
		}
		// A manager that is told of no end would kill the service for it.
		reloading := m.await(n, "RELOADING=1\n")
		m.await(reloading, "READY=1")
		_, usec, ok := strings.Cut(m.all[reloading], "\nMONOTONIC_USEC=")
		at, err := strconv.ParseInt(usec, 10, 64)
		if !ok || err != nil || at < before || at > monotonic(t) {
			t.Errorf("%s: %q is not between %d and now", name, m.all[reloading], before)
		}
	}

	n := len(m.read())
	if err := stop(); err != nil {
		t.Error(err)
	}
	m.await(n, "STOPPING=1")
	if got := m.count("STOPPING=1"); got != 1 {
		t.Errorf("STOPPING=1 came %d times", got)
	}
	if got := m.count("WATCHDOG=1"); got != 0 {
		t.Errorf("WATCHDOG=1 came %d times, and nobody asked for it", got)
	}
}

// TestPlaced: what binds an address is started when that is there, and all the
// same when it can't be.
func TestPlaced(t *testing.T) {
	there, away := status.VIP{OnHost: true, State: status.Pending}, status.VIP{State: status.Pending}
	for name, tt := range map[string]struct {
		s    status.Status
		want bool
	}{
		"no VIP":                  {status.Status{}, true},
		"there":                   {status.Status{VIPs: []status.VIP{there, there}}, true},
		"one is missing":          {status.Status{VIPs: []status.VIP{there, away}}, false},
		"drained off the host":    {status.Status{VIPs: []status.VIP{{State: status.Drained}}}, true},
		"the backend can't do it": {status.Status{VIPs: []status.VIP{away}, Problems: []status.Problem{{Object: "network"}}}, true},
		"a peer is down":          {status.Status{VIPs: []status.VIP{away}, Problems: []status.Problem{{Object: "peer rs1"}}}, false},
	} {
		if got := placed(&tt.s); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestWatchdog: the manager hears from the loop for as long as it makes
// passes, and no longer.
func TestWatchdog(t *testing.T) {
	m := newManager(t)
	const interval = 30 * time.Second
	t.Setenv("WATCHDOG_USEC", strconv.Itoa(int(interval/time.Microsecond)))
	t.Setenv("WATCHDOG_PID", "")
	cfg, dir := parse(t, sound), t.TempDir()
	drains, err := reconcile.OpenDrains(dir)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		latches, err := reconcile.OpenLatches(dir)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		d := &Daemon{checks: health.New(slog.New(slog.DiscardHandler), func() {}), loop: reconcile.New(reconcile.Options{
			Net: &fakeNet{base: base{"fakenet", plugins.KindNet}}, BGP: &fakeBGP{base: base{"fakebgp", plugins.KindBGP}},
			Host: stillHost{ready: closed()}, Drains: drains, Latches: latches, Log: slog.New(slog.DiscardHandler),
			DeriveRouterID: func(host.View, *config.Config) netip.Addr { return netip.Addr{} },
		}, cfg)}
		// The kernel keeps no more than 10 datagrams for a reader that sleeps.
		pass := func(intervals int) {
			for range 3 * intervals {
				<-time.After(interval / 3)
				synctest.Wait()
				m.read()
			}
		}
		told := make(chan struct{})
		go func() {
			defer close(told)
			d.tellManager(ctx, ctx)
		}()
		pass(10)
		if got := m.count("WATCHDOG=1"); got != 0 {
			t.Errorf("WATCHDOG=1 came %d times from a loop that stands still", got)
		}

		running, stop := context.WithCancel(ctx)
		ended := make(chan error)
		go func() { ended <- d.loop.Run(running, nil) }()
		pass(10)
		if got := m.count("WATCHDOG=1"); got < 10 {
			t.Errorf("WATCHDOG=1 came %d times in %s, and has to come every %s", got, 10*interval, interval)
		}

		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		pass(1) // the last of its passes may not have been told yet
		before := m.count("WATCHDOG=1")
		pass(10)
		if got := m.count("WATCHDOG=1"); got != before {
			t.Errorf("WATCHDOG=1 went on for %d times after the loop", got-before)
		}
		cancel()
		<-told
	})
}

// stillHost is a kernel in which nothing ever moves.
type stillHost struct{ ready chan struct{} }

func (stillHost) View() host.View          { return host.View{} }
func (stillHost) Changed() <-chan struct{} { return nil }
func (h stillHost) Ready() <-chan struct{} { return h.ready }

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func TestSummary(t *testing.T) {
	vip := func(s status.State) status.VIP { return status.VIP{State: s} }
	peer := func(state string) status.Peer { return status.Peer{State: state} }
	tests := map[string]struct {
		s    status.Status
		want string
	}{
		"nothing": {status.Status{}, "0/0 VIPs announced, 0/0 sessions"},
		"well": {status.Status{VIPs: []status.VIP{vip(status.Announced), vip(status.Announced)}, Peers: []status.Peer{peer("established")}},
			"2/2 VIPs announced, 1/1 sessions"},
		"drained": {status.Status{VIPs: []status.VIP{vip(status.Announced), vip(status.Drained)}, Peers: []status.Peer{peer("active")}},
			"1/2 VIPs announced, 0/1 sessions, 1 drained"},
		"problems": {status.Status{VIPs: []status.VIP{vip(status.Failed)}, Problems: []status.Problem{{Object: "bgp", Message: "down"}, {Object: "network"}}},
			"0/1 VIPs announced, 0/0 sessions, 2 problems: bgp: down"},
		"many lines": {status.Status{Problems: []status.Problem{{Object: "bgp", Message: "a is wrong\nSTOPPING=1\n  b too"}}},
			"0/0 VIPs announced, 0/0 sessions, 1 problems: bgp: a is wrong STOPPING=1 b too"},
	}
	for name, tt := range tests {
		if got := summary(&tt.s); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestStopAsksForTime: a manager that is not told of the drain would kill it.
func TestStopAsksForTime(t *testing.T) {
	m := newManager(t)
	o := options(t, strings.Replace(sound, "[bgp]\n", "[bgp]\non_exit = \"drain\"\ndrain_grace = \"10ms\"\n", 1))
	_, stop := start(t, o, nil)
	m.await(0, "READY=1")
	n := len(m.read())
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	m.await(n, "STOPPING=1\nEXTEND_TIMEOUT_USEC=15010000")
}

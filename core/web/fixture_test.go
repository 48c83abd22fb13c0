package web

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/status"
)

// daemon is what a Server shows, as the test says.
type daemon struct {
	history *history.Log

	mu     sync.Mutex
	status *status.Status
	news   chan struct{}
}

func newDaemon(t *testing.T, s *status.Status) *daemon {
	log := history.Open(history.Options{Dir: t.TempDir(), MaxSize: 1 << 20, Changed: func() {}, Log: slog.New(slog.DiscardHandler)})
	return &daemon{status: s, history: log, news: make(chan struct{})}
}

func (d *daemon) server() *Server {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "stentor_up 1\n") })
	return New(Options{
		Host: "lb-fra-1", Status: d.now, Next: d.next, History: d.history, Metrics: metrics, Changed: func() {},
		Log: slog.New(slog.DiscardHandler),
	})
}

func (d *daemon) now() *status.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status
}

func (d *daemon) next() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.news
}

// publish makes another snapshot, and the events that tell of it.
func (d *daemon) publish(change func(*status.Status), events ...history.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fresh := *d.status
	fresh.VIPs, fresh.Peers, fresh.Checks = clone(fresh.VIPs), clone(fresh.Peers), clone(fresh.Checks)
	change(&fresh)
	d.status = &fresh
	d.history.Append(events)
	close(d.news)
	d.news = make(chan struct{})
}

func clone[T any](s []T) []T { return append([]T(nil), s...) }

var rs = []string{"rs1", "rs2", "rs3", "rs4"}

// hostile is what a check's output or a peer's last words can hold.
const hostile = `<img src=x onerror="window.hit=1"><script>window.hit=2</script>`

// many is a status with n VIPs that are all well, and a check for each.
func many(n int) *status.Status {
	s := &status.Status{Version: "1.4.0", Since: time.Now().Add(-50 * time.Hour), Generation: 1, Converged: true,
		Network: status.Network{Backend: "netplan", Why: "renderer networkd active, uplink eth0"}, BGP: status.BGP{Backend: "gobgp", ASN: 65001, RouterID: "192.0.2.7"}}
	since := time.Now().Add(-49 * time.Hour)
	for i := range n {
		name := fmt.Sprintf("web%03d", i)
		s.VIPs = append(s.VIPs, status.VIP{Name: name, Address: fmt.Sprintf("198.18.%d.%d/32", i/250, i%250), Announce: fmt.Sprintf("198.18.%d.%d/32", i/250, i%250),
			Role: "primary", State: status.Announced, Since: since, OnHost: true, AnnouncedTo: rs, Peers: 4, Checks: []string{name + "/https"}, Health: "up"})
		s.Checks = append(s.Checks, status.Check{Name: name + "/https", Kind: "http", Target: "https://127.0.0.1/healthz", State: "up", Since: since, At: time.Now(), TookMS: 3.2,
			Output: "200 OK", Recent: strings.Repeat("+", 30), VIPs: []string{name}})
	}
	for i, name := range rs {
		s.Peers = append(s.Peers, status.Peer{Name: name, Address: fmt.Sprintf("203.0.113.%d", i+1), ASN: 65000, State: "established", Since: since, Announced: n})
	}
	return s
}

// incident is a host on a bad day: what the page is for.
func incident(t *testing.T) *daemon {
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	const justNow = 62 * time.Second // shown as 1m for almost a minute, which a browser may take to start
	s := many(0)
	vip := func(name, addr, role string, state status.State, since time.Duration, told int, why string, more ...func(*status.VIP)) {
		v := status.VIP{Name: name, Address: addr, Announce: addr, Role: role, State: state, Why: why, Since: ago(since), OnHost: true, AnnouncedTo: rs[:told], Peers: 4}
		for _, f := range more {
			f(&v)
		}
		s.VIPs = append(s.VIPs, v)
	}
	vip("api", "203.0.113.12/32", "primary", status.Withdrawn, justNow, 0, "check api/https is down: status 503, want 200", func(v *status.VIP) { v.Health, v.Penalty = "down", 1000 })
	vip("dns", "203.0.113.53/32", "secondary", status.Announced, 26*time.Hour, 3, "not told: rs3")
	vip("dns6", "2001:db8:53::1/128", "secondary", status.Announced, 26*time.Hour, 3, "not told: rs3", func(v *status.VIP) { v.Announce = "2001:db8:53::/64" })
	vip("mail", "203.0.113.25/32", "primary", status.Drained, 11*time.Minute, 0, "kernel upgrade, until 15:00")
	vip("web", "203.0.113.10/32", "primary", status.Announced, 9*24*time.Hour+4*time.Hour, 4, "")
	vip("web6", "2001:db8:5a:1::1/128", "primary", status.Announced, 9*24*time.Hour+4*time.Hour, 4, "", func(v *status.VIP) { v.Announce = "2001:db8:5a:1::/64" })
	s.Peers[2] = status.Peer{Name: "rs3", Address: "203.0.113.3", ASN: 65000, State: "active", Since: ago(7 * time.Minute), LastError: "the hold timer ran out: nothing heard for 9 s"}
	for i := range s.Peers {
		s.Peers[i].Announced = 4
	}
	s.Peers[2].Announced = 0
	check := func(name, kind, target, state string, since time.Duration, took float64, recent, output string) {
		s.Checks = append(s.Checks, status.Check{Name: name, Kind: kind, Target: target, State: state, Since: ago(since), At: time.Now(), TookMS: took, Recent: recent, Output: output})
	}
	good := strings.Repeat("+", 30)
	check("api/https", "http", "https://127.0.0.1:8443/healthz", "down", justNow, 41, good[:12]+"-++++-+++---------", "status 503, want 200: upstream timed out")
	check("bind", "dns", "127.0.0.1:53 example.net A", "up", 26*time.Hour, .8, good, "NOERROR, 1 answer")
	check("mail/queue", "exec", "/usr/lib/stentor/mailq-below 500", "broken", 3*time.Minute, 0, good[:24]+"!!!!!!", "can't run: /usr/lib/stentor/mailq-below: permission denied")
	check("uplink", "interface", "eth0", "up", 9*24*time.Hour, .1, good, "up, carrier")
	check("web/https", "http", "https://127.0.0.1/healthz", "up", 9*24*time.Hour, 3.4, good[:20]+"-"+good[:9], "200 OK")
	s.Problems = []status.Problem{
		{Object: "check mail/queue", Message: "can't run: /usr/lib/stentor/mailq-below: permission denied", Hint: "make it executable for the user that checks run as: chmod 755", Since: ago(3 * time.Minute)},
		{Object: "peer rs3", Message: "no session for 7m: the hold timer ran out, nothing heard for 9 s", Hint: "look at the path to 203.0.113.3: ping it, and ask the provider", Since: ago(7 * time.Minute)},
	}
	d := newDaemon(t, s)
	event := func(age time.Duration, object, from, to, why, output string) {
		d.history.Append([]history.Event{{At: ago(age), Object: object, From: from, To: to, Why: why, Output: output}})
	}
	event(50*time.Hour, "daemon", "", "started", "version 1.4.0", "")
	event(26*time.Hour, "vip dns", "pending as secondary, 0/4 peers", "announced as secondary, 4/4 peers", "", "")
	event(11*time.Minute, "vip mail", "announced as primary, 4/4 peers", "drained as primary, 0/4 peers", "kernel upgrade, until 15:00", "")
	event(7*time.Minute, "peer rs3", "established", "active", "the hold timer ran out: nothing heard for 9 s", "")
	event(7*time.Minute, "vip dns", "announced as secondary, 4/4 peers", "announced as secondary, 3/4 peers", "not told: rs3", "")
	event(3*time.Minute, "check mail/queue", "up", "broken", "the last 6 results: no result, as it could not run", "can't run: /usr/lib/stentor/mailq-below: permission denied")
	event(justNow, "check api/https", "up", "down", "the last 3 results: bad", "status 503, want 200: upstream timed out")
	event(justNow, "vip api", "announced as primary, 4/4 peers", "withdrawn as primary, 0/4 peers", "check api/https is down: status 503, want 200", "api/https: status 503, want 200: upstream timed out")
	return d
}

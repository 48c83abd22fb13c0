package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/contrib/lab/probe"
)

// fault is something that goes wrong with a service, and is mended again.
type fault struct {
	name       string
	begin, end func(t *testing.T)
	says       string // of what the check puts out
}

// watched is a VIP with a check of a service on each host.
type watched struct {
	*rig
	t       *testing.T
	vip     string
	address string
	check   string
	// lesser is what the peers are told of host A while it is unhealthy.
	lesser string
	// moved is asked while host B serves; nil asks nothing.
	moved func()
	p     *probe.Probe
}

// What a route server has of host A. The lab's route servers go by community
// first and by AS_PATH then, as RFC 4271 §9.1.2.2 has it.
const (
	byRole    = "65000:1"
	demoted   = "65000:2 +2"
	withdrawn = ""
)

// The checks are patient enough for a busy machine, and sure after two results.
const paced = "every = \"1s\"\ntimeout = \"700ms\"\nfast_every = \"200ms\"\nrise = 2\nfall = 2\n"

// TestServices has a pair of hosts with four services, each with a check of
// another kind and another rule for the way back, and breaks those of the
// primary in every way that it can.
func TestServices(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.Embedded)
	type daemons struct {
		web *web
		dns *resolver
		tcp *store
		app *store
	}
	on := map[string]daemons{}
	for host, role := range map[string]string{lab.HostA: "primary", lab.HostB: "secondary"} {
		on[host] = daemons{r.nginx(host), r.dnsmasq(host), r.redis(host, 6379), r.redis(host, 6380)}
		script := filepath.Join(r.folder(host, "app"), "check-app")
		r.put(script, "#!/bin/sh\nsaid=$(redis-cli -p 6380 ping 2>&1)\necho \"$said\"\n[ \"$said\" = PONG ]\n", 0o755)
		text := "[network]\nbackend = \"iproute\"\n[bgp]\nprovider = \"linode\"\ndcid = 10\n"
		for i, v := range []struct{ vip, rule, check, asks string }{
			{"web", "", "page", "url = \"http://127.0.0.1/healthz\"\nmatch = \"^ready$\""},
			{"ns", "recovery_delay = \"2s\"", "query", "dns = \"127.0.0.1\"\nquery = \"health.example\"\nanswer = \"192.0.2.1\""},
			{"cache", "preempt = false", "ping", "tcp = \"127.0.0.1:6379\"\nsend = \"PING\\r\\n\"\nexpect = \"+PONG\""},
			{"app", "on_unhealthy = \"demote\"", "script", fmt.Sprintf("exec = [%q]", script)},
		} {
			text += fmt.Sprintf("[vip.%[1]s]\naddress = \"198.18.0.%[2]d/32\"\nrole = %[3]q\n%[4]s\n[vip.%[1]s.check.%[5]s]\n%[6]s\n%[7]s",
				v.vip, i+1, role, v.rule, v.check, v.asks, paced)
		}
		r.write(host, text)
		r.start(host)
	}
	a, b := on[lab.HostA], on[lab.HostB]
	// Who takes over is there before anything breaks.
	r.holds(lab.HostB, 40*time.Second, "198.18.0.1/32=65000:2", "198.18.0.2/32=65000:2", "198.18.0.3/32=65000:2", "198.18.0.4/32=65000:2")

	// The parts run side by side, and the lab outlives them all.
	t.Run("services", func(t *testing.T) {
		watch := func(name, check, lesser string, last byte, f func(t *testing.T, w *watched)) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				inner := *r
				inner.t = t
				w := &watched{rig: &inner, t: t, vip: name, address: fmt.Sprintf("198.18.0.%d", last), check: name + "/" + check, lesser: lesser}
				for _, host := range []string{lab.HostA, lab.HostB} {
					w.is(host, "up", "")
				}
				w.told(byRole)
				w.p = w.ping(w.address)
				w.answers(w.p, lab.HostA, 10*time.Second)
				f(t, w)
			})
		}
		watch("web", "page", withdrawn, 1, func(t *testing.T, w *watched) {
			w.moved = w.serves
			for _, f := range []fault{
				a.web.stopped(),
				a.web.frozen("no answer in time"),
				a.web.answers("late", answer{http.StatusOK, "ready", 3 * time.Second}, "no answer in time"),
				a.web.answers("500", answer{http.StatusInternalServerError, "ready", 0}, "500 Internal Server Error"),
				a.web.answers("wrong body", answer{http.StatusOK, "no database", 0}, "no database"),
			} {
				w.moves(f, func(time.Time) { w.told(byRole) })
			}
			w.stays(a.web.service)
		})
		watch("ns", "query", withdrawn, 2, func(t *testing.T, w *watched) {
			for _, f := range []fault{
				a.dns.stopped(),
				a.dns.frozen("no answer in time"),
				a.dns.answers("refused", "", "REFUSED"),
				a.dns.answers("another answer", "192.0.2.9 health.example\n", "192.0.2.9"),
			} {
				w.moves(f, func(recovered time.Time) {
					if early := 2*time.Second - w.told(byRole).Sub(recovered); early > 0 {
						t.Errorf("announced %s before the end of recovery_delay", early)
					}
				})
			}
			w.stays(a.dns.service)
		})
		watch("cache", "ping", withdrawn, 3, func(t *testing.T, w *watched) {
			for _, f := range []fault{
				a.tcp.stopped(),
				a.tcp.frozen("no answer in time"),
				a.tcp.setting("password", "requirepass", "secret", "", "-NOAUTH"),
			} {
				w.moves(f, func(time.Time) {
					w.told(demoted)
					w.until("status tells what it waits for", 20*time.Second, func() (bool, string) {
						v, _ := w.look(lab.HostA)
						return v.Demoted && strings.Contains(v.Why, "stentor failback cache"), fmt.Sprintf("%+v", v)
					})
					w.answers(w.p, lab.HostB, 5*time.Second)
					w.must(lab.HostA, "failback", "cache")
					w.told(byRole)
				})
			}
			w.stays(a.tcp.service)
		})
		watch("app", "script", demoted, 4, func(t *testing.T, w *watched) {
			for _, f := range []fault{
				a.app.stopped(),
				a.app.frozen("killed, as it took too long"),
				a.app.setting("too many clients", "maxclients", "1", "100", "exit status 1"),
			} {
				w.moves(f, func(time.Time) { w.told(byRole) })
			}
			w.stays(a.app.service)

			// Nobody is healthy, and somebody serves all the same.
			began := time.Now()
			a.app.stop(t)
			w.told(demoted)
			w.answers(w.p, lab.HostB, 5*time.Second)
			b.app.stop(t)
			w.is(lab.HostB, "down", "connection refused")
			w.answers(w.p, lab.HostA, 5*time.Second)
			for _, host := range []string{lab.HostA, lab.HostB} {
				w.until("status of host "+host, 20*time.Second, func() (bool, string) {
					v, _ := w.look(host)
					return v.State == "announced" && v.Demoted && len(v.AnnouncedTo) == 4, fmt.Sprintf("%+v", v)
				})
			}
			w.lossless(w.p, began, "nobody is healthy")
			a.app.start(t)
			w.told(byRole)
			w.answers(w.p, lab.HostA, 5*time.Second)
		})
	})
}

// moves has a fault on host A be seen, and the address move to host B and back.
func (w *watched) moves(f fault, back func(recovered time.Time)) {
	w.t.Helper()
	began := time.Now()
	f.begin(w.t)
	decided := w.is(lab.HostA, "down", f.says)
	told := w.told(w.lesser)
	w.answers(w.p, lab.HostB, 5*time.Second)
	w.t.Logf("%s: seen after %s, told to the last peer %s later", f.name, decided.Sub(began).Round(time.Millisecond), told.Sub(decided).Round(100*time.Microsecond))
	if w.moved != nil {
		w.moved()
	}
	f.end(w.t)
	back(w.is(lab.HostA, "up", ""))
	w.answers(w.p, lab.HostA, 5*time.Second)
	// The host itself is alive, so none may be lost before the withdrawal either.
	w.lossless(w.p, began, f.name)
}

// serves has the client ask the service itself, at the VIP, again and again.
func (w *watched) serves() {
	w.t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
			err = w.Do(lab.Client, func() error {
				c, err = new(net.Dialer).DialContext(ctx, network, address)
				return err
			})
			return c, err
		},
	}}
	for range 20 {
		said, err := client.Get("http://" + w.address + "/")
		if err != nil {
			w.t.Fatal(err)
		}
		body, err := io.ReadAll(said.Body)
		said.Body.Close()
		if err != nil || said.StatusCode != http.StatusOK || string(body) != "ready" {
			w.t.Fatalf("%s: %s %q %v", w.address, said.Status, body, err)
		}
	}
}

// stays has a service be slow, in the eyes of its check too, and nothing come of it.
func (w *watched) stays(s *service) {
	w.t.Helper()
	began := time.Now()
	_, was := w.look(lab.HostA)
	s.limp(w.t, func() bool {
		_, c := w.look(lab.HostA)
		return c.TookMS >= 100
	})
	if _, c := w.look(lab.HostA); c.State != "up" || !c.Since.Equal(was.Since) {
		w.t.Errorf("slow: the check was %+v, and is %+v", was, c)
	}
	for _, e := range w.rig.told(lab.HostA, "rs1", began) {
		if e.Prefix.Addr().String() == w.address {
			w.t.Errorf("slow: rs1 heard %+v", e)
		}
	}
	w.lossless(w.p, began, "slow")
}

// is waits until the check on a host is in a state, for a reason that status
// gives for the VIP as well, and tells since when.
func (w *watched) is(host, state, says string) (since time.Time) {
	w.t.Helper()
	has := func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(says)) }
	short := strings.TrimPrefix(w.check, w.vip+"/") + ": "
	w.until(fmt.Sprintf("%s on host %s is %s (%s)", w.check, host, state, says), 20*time.Second, func() (bool, string) {
		v, c := w.look(host)
		since = c.Since
		return c.State == state && has(c.Output) && (state == "up" || strings.HasPrefix(v.Why, short) && has(v.Why)), fmt.Sprintf("%+v\n%+v", c, v)
	})
	return since
}

// look is what status says of the VIP and its check.
func (w *watched) look(host string) (v vipView, c checkView) {
	w.t.Helper()
	s := w.peek(host)
	for _, x := range s.VIPs {
		if x.Name == w.vip {
			v = x
		}
	}
	for _, x := range s.Checks {
		if x.Name == w.check {
			c = x
		}
	}
	return v, c
}

// peek is status as the daemon's socket gives it, without a process for each look.
func (r *rig) peek(host string) (v view) {
	r.t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(r.Dir(), host, "s.sock"))
		},
	}}
	said, err := client.Get("http://stentor/v1/status")
	if err != nil {
		return view{} // it has not begun, or has ended
	}
	defer said.Body.Close()
	if err := json.NewDecoder(said.Body).Decode(&v); err != nil {
		r.t.Fatal(err)
	}
	return v
}

// told waits until every route server was told that of host A, and gives the
// moment when the last one was.
func (w *watched) told(want string) (at time.Time) {
	w.t.Helper()
	w.until(fmt.Sprintf("route of host A to %s is %q", w.vip, want), 30*time.Second, func() (bool, string) {
		var saw []string
		all := true
		for _, server := range w.RouteServers() {
			said, when := w.last(lab.HostA, server, w.address)
			saw, all = append(saw, server+": "+said), all && said == want
			if when.After(at) {
				at = when
			}
		}
		return all, strings.Join(saw, ", ")
	})
	return at
}

// last is what an embedded route server was told last of a host's way to an
// address, as COMMUNITIES, and how often our ASN stands too often in AS_PATH;
// empty if it has no way there.
func (r *rig) last(host, server, address string) (said string, at time.Time) {
	r.t.Helper()
	for _, e := range r.told(host, server, time.Time{}) {
		if e.Prefix.IsValid() && e.Prefix.Addr().String() != address {
			continue
		}
		at, said = e.Time, ""
		if e.Route == nil {
			continue
		}
		var communities []string
		for _, c := range e.Route.Communities {
			communities = append(communities, c.String())
		}
		said = strings.Join(communities, ",")
		if extra := len(e.Route.ASPath) - 1; extra > 0 {
			said += fmt.Sprintf(" +%d", extra)
		}
	}
	return said, at
}

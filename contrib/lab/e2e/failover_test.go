package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/contrib/lab/rs"
)

// Three kinds of shared IP, and what the route servers must hear of them.
var (
	vips      = []string{"web=198.18.0.1/32=", "six=2001:db8:5a:1::1/64=", "wide=2001:db8:5a:200::1/56="}
	prefixes  = []string{"198.18.0.1/32=", "2001:db8:5a:1::/64=", "2001:db8:5a:200::/56="}
	addresses = []string{"198.18.0.1", "2001:db8:5a:1::1", "2001:db8:5a:200::1"}
)

func with(list []string, tail string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = s + tail
	}
	return out
}

// TestFailover takes a pair of hosts through all that can happen to the
// primary, with each kind of route server.
func TestFailover(t *testing.T) {
	for _, kind := range []lab.Kind{lab.Embedded, lab.FRR, lab.BIRD} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			failover(newRig(t, kind))
		})
	}
}

func failover(r *rig) {
	t := r.t
	primary, secondary := with(prefixes, "65000:1"), with(prefixes, "65000:2")
	r.config(lab.HostA, with(vips, "primary")...)
	r.config(lab.HostB, with(vips, "secondary")...)
	r.start(lab.HostB)
	r.holds(lab.HostB, 20*time.Second, secondary...)
	p := r.ping(addresses[0])
	r.answers(p, lab.HostB, 10*time.Second)

	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, primary...)
	for _, a := range addresses {
		r.answers(r.ping(a), lab.HostA, 10*time.Second)
	}
	r.answers(p, lab.HostA, 10*time.Second)

	began := time.Now()
	r.stop(lab.HostA)
	r.holds(lab.HostA, 5*time.Second)
	r.answers(p, lab.HostB, 5*time.Second)
	r.lossless(p, began, "SIGTERM")
	r.onHost(lab.HostA, "after SIGTERM")

	began = time.Now()
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, primary...)
	r.answers(p, lab.HostA, 10*time.Second)
	r.lossless(p, began, "failback")

	began = time.Now()
	r.must(lab.HostA, "drain", "--reason", "disk swap")
	r.passes(lab.HostA, 20*time.Second, with(prefixes, "65000:2,65535:0")...)
	r.holds(lab.HostA, 30*time.Second)
	r.answers(p, lab.HostB, 20*time.Second)
	r.lossless(p, began, "drain")
	r.onHost(lab.HostA, "after drain")
	if out := r.must(lab.HostA, "status", "web"); !strings.Contains(out, "drained (disk swap)") {
		t.Errorf("status of a drained VIP:\n%s", out)
	}
	r.must(lab.HostA, "undrain")
	r.holds(lab.HostA, 20*time.Second, primary...)
	r.answers(p, lab.HostA, 20*time.Second)

	began = time.Now()
	if err := r.proc[lab.HostA].Kill(r.limit(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	r.answers(p, lab.HostB, 5*time.Second)
	r.lossless(p, began, "kill -9")
	r.onHost(lab.HostA, "after kill -9")
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, primary...)
	r.answers(p, lab.HostA, 10*time.Second)

	// What was put there before the kill is known as our own again: it goes
	// with its VIP.
	r.config(lab.HostA, with(vips[1:], "primary")...)
	r.must(lab.HostA, "apply")
	r.holds(lab.HostA, 20*time.Second, primary[1:]...)
	if out := r.sh(lab.HostA, "ip", "-o", "addr"); strings.Contains(out, addresses[0]+"/") {
		t.Errorf("the address of a removed VIP is on the host:\n%s", out)
	}
}

// onHost checks that every address stands as a host address, and brings no
// connected route along.
func (r *rig) onHost(host, when string) {
	r.t.Helper()
	out := r.sh(host, "ip", "-o", "addr", "show", "dev", "lo")
	for _, a := range addresses {
		if !strings.Contains(out, " "+a+"/32 ") && !strings.Contains(out, " "+a+"/128 ") {
			r.t.Errorf("%s: %s is not on lo:\n%s", when, a, out)
		}
	}
	for _, must := range []string{" 127.0.0.1/8 ", " ::1/128 "} {
		if !strings.Contains(out, must) {
			r.t.Errorf("%s:%sis gone:\n%s", when, must, out)
		}
	}
	if routes := r.sh(host, "ip", "-6", "route", "show", "dev", "lo"); strings.Contains(routes, "/64") || strings.Contains(routes, "/56") {
		r.t.Errorf("%s: a connected route:\n%s", when, routes)
	}
}

// TestGoodbye: each peer hears the withdrawal before the session ends.
func TestGoodbye(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.Embedded)
	r.config(lab.HostA, with(vips, "primary")...)
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)
	since := time.Now()
	r.stop(lab.HostA)
	for _, server := range r.RouteServers() {
		var heard []string
		r.until("the end of the session at "+server, 5*time.Second, func() (bool, string) {
			heard = nil
			for _, e := range r.told(lab.HostA, server, since) {
				heard = append(heard, string(e.Kind)+" "+e.Detail)
			}
			return len(heard) > 0 && strings.HasPrefix(heard[len(heard)-1], string(rs.Down)), strings.Join(heard, "; ")
		})
		if len(heard) != len(prefixes)+1 || !strings.HasPrefix(heard[0], string(rs.Withdraw)) || !strings.Contains(heard[len(heard)-1], "NOTIFICATION 6/") {
			t.Errorf("%s heard: %s", server, strings.Join(heard, "; "))
		}
	}
}

// TestSilentCut: only the hold timer tells, and then the other host serves.
func TestSilentCut(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.Embedded)
	r.config(lab.HostA, with(vips, "primary")...)
	r.config(lab.HostB, with(vips, "secondary")...)
	r.start(lab.HostA)
	r.start(lab.HostB)
	r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)
	r.holds(lab.HostB, 20*time.Second, with(prefixes, "65000:2")...)
	p := r.ping(addresses[0])
	r.answers(p, lab.HostA, 10*time.Second)
	began := time.Now()
	if err := r.Cut(lab.HostA); err != nil {
		t.Fatal(err)
	}
	r.answers(p, lab.HostB, 2*9*time.Second) // twice the Hold Time
	t.Log(p.Report(began))
	r.until("problems in status", 20*time.Second, func() (bool, string) {
		v := r.status(lab.HostA)
		return len(v.Problems) == 4 && len(v.VIPs[0].AnnouncedTo) == 0, "problems"
	})
	if err := r.Heal(lab.HostA); err != nil {
		t.Fatal(err)
	}
	r.answers(p, lab.HostA, 30*time.Second)
}

// TestRouteServerRestarts: one that comes back hears the routes again.
func TestRouteServerRestarts(t *testing.T) {
	for _, kind := range []lab.Kind{lab.Embedded, lab.FRR, lab.BIRD} {
		for how, kill := range map[string]bool{"goodbye": false, "crash": true} {
			t.Run(string(kind)+"/"+how, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, kind)
				r.config(lab.HostA, with(vips, "primary")...)
				r.start(lab.HostA)
				r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)
				if err := r.StopRouteServer(r.limit(30*time.Second), "rs2", kill); err != nil {
					t.Fatal(err)
				}
				r.until("the reason in status", 20*time.Second, func() (bool, string) {
					v := r.status(lab.HostA)
					for _, p := range v.Peers {
						if p.Name == "rs2" {
							return p.State != "established" && p.LastError != "" && len(v.VIPs[0].AnnouncedTo) == 3, p.State + " " + p.LastError
						}
					}
					return false, "no rs2"
				})
				if err := r.StartRouteServer(r.limit(30*time.Second), "rs2"); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)
				t.Logf("announced again %d ms after the route server listens", time.Since(began).Milliseconds())
			})
		}
	}
}

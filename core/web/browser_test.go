package web

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/host/hosttest"
	"github.com/stentor-net/stentor/core/status"
)

// browse serves d in a network namespace with nothing else in it, and starts a
// browser there.
func browse(t *testing.T, d *daemon) (url string, b *browser) {
	t.Helper()
	ns := hosttest.New(t)
	ns.IP("link set lo up")
	l := listenIn(t, ns, "127.0.0.1:0")
	b = startBrowser(t, ns)
	t.Cleanup(d.server().serve(l))
	return "http://" + l.Addr().String() + "/", b
}

func listenIn(t *testing.T, ns *hosttest.NS, addr string) net.Listener {
	t.Helper()
	var l net.Listener
	var err error
	ns.Do(func() { l, err = net.Listen("tcp", addr) })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// clean expects that the page did nothing that it should not do.
func (p *tab) clean(url string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.errors {
		p.t.Errorf("the console: %s", e)
	}
	for _, r := range p.requests {
		if !strings.HasPrefix(r, url) && !strings.HasPrefix(r, "data:") {
			p.t.Errorf("a request to %s", r)
		}
	}
	if len(p.requests) < 2 {
		p.t.Errorf("requests %q, want at least the page and its stream", p.requests)
	}
}

func TestPageShowsWhatIsThere(t *testing.T) {
	d := incident(t)
	url, b := browse(t, d)
	p := b.open(url, 1280, 900, nil)
	p.shows("#link", "live")
	p.shows("#event-list", "vip api")
	var rows []string
	p.eval(`[...document.querySelectorAll("#vip-rows tr")].map((r) => [...r.querySelectorAll("[data-f]")].map((f) => f.textContent).join("|"))`, &rows)
	want := []string{
		"withdrawn|api|203.0.113.12/32|check api/https is down: status 503, want 200|penalty 1000 for flapping|primary|0/4 peers|1m",
		"announced|dns|203.0.113.53/32|not told: rs3||secondary|3/4 peers|26h00m",
		"announced|dns6|2001:db8:53::/64 (2001:db8:53::1)|not told: rs3||secondary|3/4 peers|26h00m",
		"announced|web|203.0.113.10/32|||primary|4/4 peers|9d04h",
		"announced|web6|2001:db8:5a:1::/64 (2001:db8:5a:1::1)|||primary|4/4 peers|9d04h",
		"drained|mail|203.0.113.25/32|kernel upgrade, until 15:00||primary|0/4 peers|11m",
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("VIPs (-want +got):\n%s", diff)
	}
	for selector, text := range map[string]string{
		"#headline":         "3 of 6 VIPs are not as configured",
		"#problem-list":     "chmod 755",
		"#peer-rows":        "the hold timer ran out",
		"#event-list li":    "check api/https is down",
		"#host":             "lb-fra-1",
		"title":             "! lb-fra-1",
		"#about":            "Addresses by netplan: renderer networkd active",
		"#check-rows":       "permission denied",
		"#problems-title":   "2 problems",
		"#event-list li b":  "vip api",
		"#checks-count":     "3 up, 1 down, 1 broken",
		"#check-rows .took": "41 ms",
	} {
		if got := p.text(selector); !strings.Contains(got, text) {
			t.Errorf("%s has %q, want %q in it", selector, got, text)
		}
	}
	var label string
	p.eval(`document.querySelector("#check-rows svg").getAttribute("aria-label")`, &label)
	if want := "of the last 30 results 19 good, 11 bad"; label != want {
		t.Errorf("the first sparkline is %q, want %q", label, want)
	}
	p.clean(url)
}

// TestPageTakesTextForText: what a service or a peer says never becomes markup.
func TestPageTakesTextForText(t *testing.T) {
	s := many(1)
	s.VIPs[0].Why, s.Checks[0].Output, s.Peers[0].LastError, s.Checks[0].Target = hostile, hostile, hostile, hostile
	s.Peers[0].State = "idle"
	s.Problems = []status.Problem{{Object: hostile, Message: hostile, Hint: hostile, Since: time.Now()}}
	d := newDaemon(t, s)
	d.history.Append([]history.Event{{At: time.Now(), Object: hostile, From: hostile, To: hostile, Why: hostile, Output: hostile}})
	url, b := browse(t, d)
	p := b.open(url, 1280, 900, nil)
	for _, selector := range []string{"#vip-rows .why", "#check-rows .why", "#peer-rows .why", "#problem-list .hint", "#event-list code"} {
		p.shows(selector, hostile)
	}
	var found int
	p.eval(`document.querySelectorAll("img, section script").length + (window.hit || 0)`, &found)
	if found != 0 {
		t.Error("text became markup")
	}
	// The browser itself refuses it too.
	var refused bool
	p.eval(`(() => { try { document.createElement("p").innerHTML = "<b>x</b>" } catch { return true } return false })()`, &refused)
	if !refused {
		t.Error("the policy lets text become markup")
	}
}

// TestPageFollows measures how soon a change is seen.
func TestPageFollows(t *testing.T) {
	d := incident(t)
	url, b := browse(t, d)
	p := b.open(url, 1280, 900, nil)
	p.shows("#link", "live")
	var worst time.Duration
	for i := range 5 {
		why := fmt.Sprintf("change %d", i)
		began := time.Now()
		d.publish(func(s *status.Status) { s.VIPs[4].State, s.VIPs[4].Why = status.Failed, why },
			history.Event{At: time.Now(), Object: "vip web", To: "failed as primary, 0/4 peers", Why: why})
		p.shows("#vip-rows tr .why", why) // a failed one is the first
		p.shows("#event-list li .why", why)
		worst = max(worst, time.Since(began))
	}
	t.Logf("a change is on the screen after %d ms, at worst of 5", worst.Milliseconds())
	p.shows("#said", "web is failed: change 0") // once: the state did not change again
	p.clean(url)
}

// TestPageTouchesLittle: of 500 VIPs one changes, and the page touches no more
// than its row.
func TestPageTouchesLittle(t *testing.T) {
	d := newDaemon(t, many(500))
	url, b := browse(t, d)
	p := b.open(url, 1280, 900, object{"prefers-reduced-motion": "no-preference"})
	p.shows("#headline", "All 500 VIPs")
	p.eval(`(() => {
		window.touched = 0;
		new MutationObserver((all) => touched += all.length).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
		window.longest = 0;
		new PerformanceObserver((list) => { for (const e of list.getEntries()) longest = Math.max(longest, e.duration) }).observe({ type: "longtask" });
	})()`, nil)
	for i, change := range []struct {
		state status.State
		first string
		most  int
	}{{status.Failed, "failed", 40}, {status.Announced, "announced", 40}} {
		d.publish(func(s *status.Status) {
			v := &s.VIPs[250]
			v.State, v.Why, v.Since = change.state, "because", time.Now()
		})
		p.shows("#vip-rows tr .pill", change.first)
		p.shows("#headline", []string{"1 of 500 VIPs is not", "All 500 VIPs"}[i])
		var touched int
		p.eval(`new Promise((done) => setTimeout(() => { const n = touched; touched = 0; done(n) }))`, &touched)
		t.Logf("%s: %d mutations", change.state, touched)
		if touched == 0 || touched > change.most {
			t.Errorf("%d mutations for one change, want 1 to %d", touched, change.most)
		}
	}
	for round := range 10 { // and all of them, as on a host whose uplink flaps
		why := fmt.Sprintf("round %d", round)
		d.publish(func(s *status.Status) {
			for i := range s.VIPs {
				s.VIPs[i].State, s.VIPs[i].Why = []status.State{status.Withdrawn, status.Announced}[round%2], why
			}
		})
		p.shows("#vip-rows tr:last-child .why", why)
	}
	var longest float64
	p.eval("longest", &longest)
	t.Logf("longest task with 500 VIPs that all change: %.0f ms", longest)
	p.clean(url)
}

// TestPageSaysThatItIsStale: the daemon goes, and comes back.
func TestPageSaysThatItIsStale(t *testing.T) {
	d := incident(t)
	ns := hosttest.New(t)
	ns.IP("link set lo up")
	l := listenIn(t, ns, "127.0.0.1:0")
	b := startBrowser(t, ns)
	stop := d.server().serve(l)
	p := b.open("http://"+l.Addr().String()+"/", 1280, 900, nil)
	p.shows("#link", "live")
	stop()
	p.shows("#link", "connection lost, showing the state of ")
	if text := p.text("#vip-rows"); !strings.Contains(text, "api") {
		t.Errorf("the last state is no longer shown: %q", text)
	}
	l = listenIn(t, ns, l.Addr().String())
	d.publish(func(s *status.Status) { s.VIPs[0].Why = "meanwhile" })
	t.Cleanup(d.server().serve(l))
	p.shows("#link", "live")
	p.shows("#vip-rows .why", "meanwhile")
}

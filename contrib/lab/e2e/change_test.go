package e2e

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
)

// TestReload: what a change does not touch does not flap, and what it touches
// is told once.
func TestReload(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.Embedded)
	r.config(lab.HostA, with(vips, "primary")...)
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)
	up := r.uptimes(lab.HostA)
	if len(up) != 4 {
		t.Fatalf("sessions: %v", up)
	}
	hup := func() {
		if err := r.proc[lab.HostA].Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		name   string
		vips   []string
		routes []string
		heard  []string // by every route server, since the step began
	}{
		{"no change", with(vips, "primary"), with(prefixes, "65000:1"), nil},
		{"a new VIP", append(with(vips, "primary"), "more=198.18.0.2/32=primary"),
			append(with(prefixes, "65000:1"), "198.18.0.2/32=65000:1"), []string{"update 198.18.0.2/32"}},
		{"another role", append(with(vips, "primary"), "more=198.18.0.2/32=secondary"),
			append(with(prefixes, "65000:1"), "198.18.0.2/32=65000:2"), []string{"update 198.18.0.2/32"}},
		{"a VIP gone", with(vips, "primary"), with(prefixes, "65000:1"), []string{"withdraw 198.18.0.2/32"}},
	}
	for _, s := range steps {
		since := time.Now()
		r.config(lab.HostA, s.vips...)
		hup()
		r.holds(lab.HostA, 20*time.Second, s.routes...)
		r.must(lab.HostA, "apply") // waits until all is done, and changes nothing more
		for _, server := range r.RouteServers() {
			var heard []string
			for _, e := range r.told(lab.HostA, server, since) {
				heard = append(heard, fmt.Sprintf("%s %s", e.Kind, e.Prefix))
			}
			if strings.Join(heard, ", ") != strings.Join(s.heard, ", ") {
				t.Errorf("%s: %s heard %q, want %q", s.name, server, heard, s.heard)
			}
		}
		if now := r.uptimes(lab.HostA); !maps.Equal(now, up) {
			t.Errorf("%s: sessions %v, want %v", s.name, now, up)
		}
	}

	since := time.Now()
	r.write(lab.HostA, "[bgp]\nprovider = \"linode\"\ndcid = 10\n[vip.web]\naddress = \"198.18.0.1\"\nrole = \"primary\"\n")
	_, talk, code := r.run(lab.HostA, "reload")
	if code != 2 || !strings.Contains(talk, r.file(lab.HostA)+":5:") {
		t.Errorf("reload of a broken file: exit code %d\n%s", code, talk)
	}
	hup()
	r.until("the refusal in the log", 20*time.Second, func() (bool, string) {
		log := r.proc[lab.HostA].Tail(20)
		return strings.Contains(log, "reload refused") && strings.Contains(log, ":5:"), log
	})
	if v := r.status(lab.HostA); len(v.VIPs) != len(vips) || v.Generation != 4 {
		t.Errorf("the old config is not in force: %+v", v)
	}
	for _, server := range r.RouteServers() {
		if heard := r.told(lab.HostA, server, since); len(heard) > 0 {
			t.Errorf("%s heard %v", server, heard)
		}
	}
}

// TestAddressLost: a flap is ridden out, a loss is withdrawn, mended and told again.
func TestAddressLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.Embedded)
	r.config(lab.HostA, with(vips, "primary")...)
	text, err := os.ReadFile(r.file(lab.HostA))
	if err != nil {
		t.Fatal(err)
	}
	const holdDown = 3 * time.Second // a flap can take longer than 500 ms on a busy machine
	r.write(lab.HostA, strings.Replace(string(text), "[network]\n", fmt.Sprintf("[network]\nhold_down = %q\n", holdDown), 1))
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)

	since := time.Now()
	r.sh(lab.HostA, "sh", "-c", "ip addr del 198.18.0.1/32 dev lo && sleep 0.1 && ip addr add 198.18.0.1/32 dev lo")
	over := time.Now()
	// Had it been taken for a loss, it would be told by then.
	r.until("the hold-down to pass", 2*holdDown, func() (bool, string) { return time.Since(over) > holdDown+time.Second, "" })
	if heard := r.told(lab.HostA, "rs1", since); len(heard) > 0 {
		t.Errorf("after a flap rs1 heard %v", heard)
	}

	since = time.Now()
	r.sh(lab.HostA, "ip", "addr", "del", "198.18.0.1/32", "dev", "lo")
	heard := func(n int, what string) (took time.Duration) {
		r.until(what, 30*time.Second, func() (bool, string) {
			events := r.told(lab.HostA, "rs1", since)
			if len(events) < n {
				return false, fmt.Sprint(events)
			}
			took = events[n-1].Time.Sub(since)
			return string(events[n-1].Kind) == what && events[n-1].Prefix.String() == "198.18.0.1/32", fmt.Sprint(events)
		})
		return took
	}
	withdrawn, again := heard(1, "withdraw"), heard(2, "update")
	t.Logf("withdrawn after %s, announced again after %s", withdrawn, again)
	r.onHost(lab.HostA, "after the loss")

	// The link of the address.
	r.sh(lab.HostA, "ip", "link", "set", "lo", "down")
	r.holds(lab.HostA, 30*time.Second)
	r.withdrawnAs("lo is down")
	r.sh(lab.HostA, "ip", "link", "set", "lo", "up")
	r.holds(lab.HostA, 30*time.Second, with(prefixes, "65000:1")...)
	r.onHost(lab.HostA, "after lo was down")
}

// withdrawnAs waits until status of host A calls its first VIP withdrawn, and
// says why; a peer can hear of it before.
func (r *rig) withdrawnAs(why string) {
	r.t.Helper()
	r.until("status tells of it", 20*time.Second, func() (bool, string) {
		v := r.status(lab.HostA).VIPs[0]
		return v.State == "withdrawn" && strings.Contains(v.Why, why), fmt.Sprintf("%+v", v)
	})
}

// TestOtherLink: a VIP on a link of its own goes with that link.
func TestOtherLink(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.Embedded)
	r.sh(lab.HostA, "ip", "link", "add", "vip0", "type", "veth", "peer", "name", "vip0p")
	r.sh(lab.HostA, "ip", "link", "set", "vip0p", "up")
	r.sh(lab.HostA, "ip", "link", "set", "vip0", "up")
	r.write(lab.HostA, "[network]\nbackend = \"iproute\"\nlink = \"vip0\"\n[bgp]\nprovider = \"linode\"\ndcid = 10\n[vip.web]\naddress = \"198.18.0.1/32\"\nrole = \"primary\"\n")
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, "198.18.0.1/32=65000:1")
	r.sh(lab.HostA, "ip", "link", "set", "vip0", "down")
	r.holds(lab.HostA, 20*time.Second)
	r.withdrawnAs("vip0")
	r.sh(lab.HostA, "ip", "link", "set", "vip0", "up")
	r.holds(lab.HostA, 20*time.Second, "198.18.0.1/32=65000:1")
}

// TestForeignAddressIsAdopted: what was there before is used, and never removed.
func TestForeignAddressIsAdopted(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.Embedded)
	r.sh(lab.HostA, "ip", "addr", "add", "198.18.0.1/32", "dev", "lo")
	r.config(lab.HostA, with(vips, "primary")...)
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)
	r.config(lab.HostA)
	r.must(lab.HostA, "apply")
	r.holds(lab.HostA, 20*time.Second)
	out := r.sh(lab.HostA, "ip", "-o", "addr", "show", "dev", "lo")
	if !strings.Contains(out, "198.18.0.1/32") || strings.Contains(out, "2001:db8:5a") {
		t.Errorf("addresses left:\n%s", out)
	}
}

// TestSecurity: no port, no second daemon.
func TestSecurity(t *testing.T) {
	t.Parallel()
	r := newRig(t, lab.Embedded)
	r.config(lab.HostA, with(vips, "primary")...)
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, with(prefixes, "65000:1")...)
	if out := r.sh(lab.HostA, "ss", "-H", "-lntu"); strings.TrimSpace(out) != "" {
		t.Errorf("listeners:\n%s", out)
	}
	_, talk, code := r.run(lab.HostA, "run")
	if code != 3 || !strings.Contains(talk, "another stentor") {
		t.Errorf("a second daemon: exit code %d\n%s", code, talk)
	}
	r.holds(lab.HostA, 5*time.Second, with(prefixes, "65000:1")...)
}

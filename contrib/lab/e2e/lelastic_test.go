package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
)

// lelastic starts stentor on a host by lelastic's name.
func (r *rig) lelastic(host string, flags ...string) {
	r.t.Helper()
	link := filepath.Join(r.Dir(), "lelastic")
	if err := os.Symlink(binary, link); err != nil && !os.IsExist(err) {
		r.t.Fatal(err)
	}
	dir := filepath.Join(r.Dir(), host)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	p, err := r.Start(host, "lelastic-"+host, append([]string{link}, flags...),
		"STENTOR_SOCKET="+filepath.Join(dir, "s.sock"), "STENTOR_STATE_DIR="+filepath.Join(dir, "state"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.proc[host] = p
}

// TestLelastic has a pair of hosts as the vendor's guide makes it, addresses on
// lo and lelastic's flags, and moves the primary to stentor and back.
func TestLelastic(t *testing.T) {
	r := newRig(t, lab.Embedded)
	primary, secondary := with(prefixes, "65000:1"), with(prefixes, "65000:2")
	stands := func(host string) {
		t.Helper()
		for _, a := range vips {
			_, address, _ := strings.Cut(strings.TrimSuffix(a, "="), "=")
			r.sh(host, "ip", "address", "add", address, "dev", "lo")
		}
	}
	// Each host announces as soon as the addresses stand, also if lelastic was
	// first. B's other flags change nothing: a /64 stays one, and the network of
	// the uplink is no shared IP.
	r.lelastic(lab.HostA, "-dcid", "10", "-primary")
	stands(lab.HostA)
	stands(lab.HostB)
	r.lelastic(lab.HostB, "--dcid=10", "--secondary", "-send56=true", "-allifs")
	r.holds(lab.HostA, 20*time.Second, primary...)
	r.holds(lab.HostB, 20*time.Second, secondary...)
	p := r.ping(addresses[0])
	r.answers(p, lab.HostA, 10*time.Second)

	began := time.Now()
	config := r.sh(lab.HostA, binary, "import", "lelastic", "--", "-dcid", "10", "-primary")
	r.write(lab.HostA, config+"\n[network]\nbackend = \"iproute\"\n")
	r.must(lab.HostA, "check", "--offline")
	r.stop(lab.HostA)
	r.answers(p, lab.HostB, 5*time.Second)
	r.start(lab.HostA)
	r.holds(lab.HostA, 20*time.Second, primary...)
	r.answers(p, lab.HostA, 10*time.Second)
	r.brief(p.Report(began).Longest(), "from lelastic to stentor")

	began = time.Now()
	r.stop(lab.HostA)
	r.answers(p, lab.HostB, 5*time.Second)
	r.lelastic(lab.HostA, "-dcid", "10", "-primary")
	r.holds(lab.HostA, 20*time.Second, primary...)
	r.answers(p, lab.HostA, 10*time.Second)
	r.brief(p.Report(began).Longest(), "from stentor to lelastic")

	// The addresses are the admin's before and after.
	standing := r.sh(lab.HostA, "ip", "-brief", "address", "show", "dev", "lo")
	for _, a := range vips {
		if _, address, _ := strings.Cut(strings.TrimSuffix(a, "="), "="); !strings.Contains(standing, address) {
			t.Errorf("%s is gone: %s", address, standing)
		}
	}
}

// brief logs an outage, and fails if it was one that people notice.
func (r *rig) brief(outage time.Duration, what string) {
	r.t.Helper()
	r.t.Logf("%s: %s without an answer", what, outage)
	if outage > time.Second {
		r.t.Errorf("%s: %s without an answer, want less than a second", what, outage)
	}
}

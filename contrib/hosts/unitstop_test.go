package hosts_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/hosts"
	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/contrib/lab/rs"
)

// TestUnitStopWithdraws measures from the moment when systemd begins to stop a
// unit, as the journal has it, to the withdrawal at the last of the route servers.
func TestUnitStopWithdraws(t *testing.T) {
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	p := newPair(t, lab.Embedded, map[string]stack{lab.HostA: {suite: hosts.Bookworm, profile: hosts.Networkd, backend: "networkd"}})
	for path, text := range map[string]string{
		"/etc/systemd/system/app.service": "[Service]\nExecStart=/bin/sleep infinity\n",
		conf:                              pairConfig("primary", "") + "[vip.web.check.app]\nunit = \"app.service\"\n[vip.web6.check.app]\nunit = \"app.service\"\n",
	} {
		if err := p.hosts[lab.HostA].Put(path, hosts.File{Content: text, Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
	}
	p.do(lab.HostA, "systemctl daemon-reload && systemctl start app stentor")
	var took []time.Duration
	for range 10 {
		p.announces(lab.HostA, "65000:1")
		began := time.Now()
		p.do(lab.HostA, "systemctl stop app")
		p.announces(lab.HostA, "")
		took = append(took, p.withdrawn(began).Sub(p.stopping("app.service")))
		p.do(lab.HostA, "systemctl start app")
	}
	slices.Sort(took)
	t.Logf("from the stop of a unit to the withdrawal at the last of 4 peers: median %s of %v", (took[4]+took[5])/2, took)
}

// withdrawn is when the last route server heard the last of host A's withdrawals
// since.
func (p *pair) withdrawn(since time.Time) (last time.Time) {
	p.t.Helper()
	for _, server := range p.lab.RouteServers() {
		events, err := p.lab.Events(server)
		if err != nil {
			p.t.Fatal(err)
		}
		heard := 0
		for _, e := range events {
			if e.Kind == rs.Withdraw && e.Time.After(since) {
				heard++
				if e.Time.After(last) {
					last = e.Time
				}
			}
		}
		if heard != len(pairPrefixes) {
			p.t.Errorf("%s heard %d withdrawals, want %d", server, heard, len(pairPrefixes))
		}
	}
	return last
}

// stopping is when systemd said last that it stops a unit of host A
// (SD_MESSAGE_UNIT_STOPPING in sd-messages.h).
func (p *pair) stopping(unit string) time.Time {
	p.t.Helper()
	out := p.do(lab.HostA, fmt.Sprintf("journalctl --sync; journalctl -b -o export --output-fields=MESSAGE UNIT=%s MESSAGE_ID=de5b426a63be47a7b6ac3eaac82e2f6f | sed -n s/^__REALTIME_TIMESTAMP=//p", unit))
	stamps := strings.Fields(out)
	if len(stamps) == 0 {
		p.t.Fatalf("the journal does not tell of a stop of %s", unit)
	}
	micros, err := strconv.ParseInt(stamps[len(stamps)-1], 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return time.UnixMicro(micros)
}

package hosts_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/hosts"
	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/contrib/lab/rs"
	"github.com/stentor-net/stentor/plugins"
)

// timeToStop is shorter than the drain, for which the daemon asks for more.
const timeToStop = time.Second

// TestUnitStop has a service that is announced end in both ways that systemd
// ends it, alone and with the host, and Stentor before it. The unit is ours, as
// `stentor setup` fits it.
func TestUnitStop(t *testing.T) {
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	p := newPair(t, lab.Embedded, map[string]stack{lab.HostA: {suite: hosts.Bookworm, profile: hosts.Networkd, backend: "networkd"}})
	const check = ".check.app]\nunit = \"app.service\"\n"
	config := strings.Replace(pairConfig("primary", ""), "[bgp]\n", "[bgp]\non_exit = \"drain\"\ndrain_grace = \"2s\"\n", 1)
	unit, err := os.ReadFile("../systemd/stentor.service")
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		"/etc/systemd/system/app.service":                     "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/sh -c 'date +%%s.%%N >/root/stopped; systemctl is-active stentor >>/root/stopped || :'\n",
		"/etc/systemd/system/stentor.service":                 string(unit),
		"/etc/systemd/system/stentor.service.d/patience.conf": fmt.Sprintf("[Service]\nTimeoutStopSec=%d\n", timeToStop/time.Second),
		conf: config + "[vip.web" + check + "[vip.web6" + check,
	} {
		p.put(lab.HostA, path, text)
	}
	installAs(t, p.hosts[lab.HostA], "stentor", "/usr/bin/stentor")
	p.do(lab.HostA, "stentor setup && systemctl daemon-reload && systemctl start app stentor")
	step := func(name string, stops func(*pair)) {
		t.Run(name, func(t *testing.T) {
			inner := *p
			inner.t = t
			stops(&inner)
		})
	}
	step("alone", (*pair).stopsAlone)
	step("stentor", (*pair).stopsStentor)
	step("with the host", (*pair).stopsWithHost)
}

// stopsAlone measures from the moment when systemd begins to stop the unit, as
// the journal has it, to the withdrawal at the last of the route servers.
func (p *pair) stopsAlone() {
	var took []time.Duration
	for range 10 {
		p.announces(lab.HostA, "65000:1")
		began := time.Now()
		p.do(lab.HostA, "systemctl stop app")
		p.announces(lab.HostA, "")
		_, gone := p.withdrawn(began)
		took = append(took, gone.Sub(p.stopping("app.service")))
		p.do(lab.HostA, "systemctl start app")
	}
	slices.Sort(took)
	p.t.Logf("from the stop of a unit to the withdrawal at the last of 4 peers: median %s of %v", (took[4]+took[5])/2, took)
}

// stopsStentor: the drain is over before the daemon is, and nobody has killed it,
// though it takes longer than the unit's time to stop. A peer can hear of the
// drain later than of its end, so that what it saw is a little more or less than
// drain_grace.
func (p *pair) stopsStentor() {
	p.announces(lab.HostA, "65000:1")
	began := time.Now()
	p.do(lab.HostA, "systemctl stop stentor")
	p.announces(lab.HostA, "")
	drained, gone := p.withdrawn(began)
	if took := gone.Sub(drained); drained.IsZero() || took < timeToStop {
		p.t.Errorf("drained for %s, want the 2s of drain_grace", took)
	}
	if result := p.do(lab.HostA, "systemctl show --value -p Result stentor"); result != "success\n" {
		p.t.Errorf("the unit ended with %s", result)
	}
	p.do(lab.HostA, "systemctl start stentor")
}

// stopsWithHost: Stentor is ordered after the service, so that every peer was
// told of the drain, and of its end, before the service is asked to stop.
func (p *pair) stopsWithHost() {
	p.announces(lab.HostA, "65000:1")
	began := time.Now()
	if err := p.hosts[lab.HostA].Reboot(p.limit(2 * time.Minute)); err != nil {
		p.t.Fatal(err)
	}
	drained, gone := p.withdrawn(began)
	seen := strings.Fields(p.do(lab.HostA, "cat /root/stopped"))
	stopped := moment(p.t, seen[0])
	p.t.Logf("drained %s, withdrawn %s before the service was asked to stop", stopped.Sub(drained), stopped.Sub(gone))
	// In the wrong order the service's own check withdraws, and the drain begins
	// when the service is told to stop.
	if drained.IsZero() || !drained.Before(gone) || stopped.Sub(drained) < timeToStop {
		p.t.Errorf("the peers were told of the drain at %s, of its end at %s; the service was asked to stop at %s", drained, gone, stopped)
	}
	if state := seen[len(seen)-1]; state != "inactive" {
		p.t.Errorf("when the service was asked to stop, stentor was %s", state)
	}
}

// withdrawn is when the last route server heard the last of host A's withdrawals
// since, and, before that, of a drain.
func (p *pair) withdrawn(since time.Time) (drained, gone time.Time) {
	p.t.Helper()
	for _, server := range p.lab.RouteServers() {
		events, err := p.lab.Events(server)
		if err != nil {
			p.t.Fatal(err)
		}
		heard := 0
		for _, e := range events {
			switch {
			case e.Time.Before(since):
			case e.Kind == rs.Withdraw:
				heard++
				gone = later(gone, e.Time)
			case e.Kind == rs.Update && slices.Contains(e.Route.Communities, plugins.GracefulShutdown):
				drained = later(drained, e.Time)
			}
		}
		if heard != len(pairPrefixes) {
			p.t.Errorf("%s heard %d withdrawals, want %d", server, heard, len(pairPrefixes))
		}
	}
	return drained, gone
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// stopping is when systemd said last that it stops a unit of host A
// (SD_MESSAGE_UNIT_STOPPING in sd-messages.h), by systemd's clock: the journal
// can take it in milliseconds later.
func (p *pair) stopping(unit string) time.Time {
	p.t.Helper()
	out := p.do(lab.HostA, fmt.Sprintf("journalctl --sync; journalctl -b -o export --output-fields=_SOURCE_REALTIME_TIMESTAMP UNIT=%s MESSAGE_ID=de5b426a63be47a7b6ac3eaac82e2f6f | sed -n s/^_SOURCE_REALTIME_TIMESTAMP=//p", unit))
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

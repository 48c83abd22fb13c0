package hosts_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/hosts"
	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/contrib/lab/probe"
)

// speaking is how host A is configured for a restart.
type speaking struct {
	name  string
	bgp   string // of [bgp]
	unit  string // of the speaker's own daemon
	keeps bool   // no route is lost
	core  bool   // a part of what `make test` runs
}

const helped = "graceful_restart = \"10s\"\n"

var speakings = []speaking{
	{name: "native, graceful restart", bgp: helped, keeps: true, core: true},
	{name: "native"},
	{name: "gobgp, graceful restart", bgp: "backend = \"gobgp\"\n" + helped, keeps: true, core: true},
	{name: "gobgp", bgp: "backend = \"gobgp\"\n"},
	{name: "frr, on_restart = keep", bgp: "backend = \"frr\"\non_restart = \"keep\"\n", unit: "frr", keeps: true, core: true},
	{name: "frr", bgp: "backend = \"frr\"\n", unit: "frr"},
	{name: "bird, on_restart = keep", bgp: "backend = \"bird\"\non_restart = \"keep\"\n", unit: "bird", keeps: true},
	{name: "bird", bgp: "backend = \"bird\"\n", unit: "bird"},
	{name: "bird, on_exit = keep", bgp: "backend = \"bird\"\non_exit = \"keep\"\n", unit: "bird", keeps: true},
}

// upgrades restarts Stentor on the host that has the traffic, with each speaker:
// by systemctl, and by an upgrade of the package. Where the routes are kept no
// ping is lost, and none is answered by the other host.
func upgrades(t *testing.T, servers lab.Kind, deb string) {
	o := lab.Linode(10, 4)
	o.RouteServers = servers
	for i := range o.Peers {
		o.Peers[i].GracefulRestart = time.Minute
	}
	p := newPairIn(t, o, map[string]stack{
		lab.HostA: {suite: hosts.Bookworm, profile: hosts.Networkd, packages: []string{"frr", "bird2"}},
		lab.HostB: {suite: hosts.Bookworm, profile: hosts.Networkd},
	})
	p.packaged(deb, repacked(t, deb))
	p.do(lab.HostB, "systemctl start stentor")
	p.announces(lab.HostB, "65000:2")
	for _, s := range speakings {
		if !s.core && !everything() {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			inner := *p
			inner.t = t
			inner.restarts(s)
		})
		if t.Failed() {
			t.FailNow()
		}
	}
}

// packaged installs the package on host A in place of what the rig brings, and
// the speakers' own configuration.
func (p *pair) packaged(first, second string) {
	p.t.Helper()
	for path, deb := range map[string]string{"/root/first.deb": first, "/root/second.deb": second} {
		text, err := os.ReadFile(deb)
		if err != nil {
			p.t.Fatal(err)
		}
		p.put(lab.HostA, path, string(text))
	}
	p.put(lab.HostA, "/etc/frr/frr.conf", "ip nht resolve-via-default\nipv6 nht resolve-via-default\n")
	p.put(lab.HostA, "/etc/bird/bird.conf", "log syslog all;\nrouter id 192.0.2.7;\nprotocol device {}\ninclude \"/run/stentor*.conf\";\n")
	p.do(lab.HostA, `rm /etc/systemd/system/stentor.service /usr/local/bin/stentor && systemctl daemon-reload
sed -i s/^bgpd=no/bgpd=yes/ /etc/frr/daemons && dpkg -i /root/first.deb && touch /run/service.ok && systemctl stop frr bird`)
}

func (p *pair) put(host, path, text string) {
	p.t.Helper()
	if err := p.hosts[host].Put(path, hosts.File{Content: text, Mode: 0o644}); err != nil {
		p.t.Fatal(err)
	}
}

// restarts runs Stentor on host A with one speaker, and restarts it twice.
func (p *pair) restarts(s speaking) {
	const check = "[vip.%s.check.service]\nfile = \"/run/service.ok\"\nevery = \"1s\"\nrise = 3\n"
	config := func(role string) {
		text := strings.Replace(pairConfig(role, ""), "[bgp]\n", "[bgp]\n"+s.bgp, 1)
		p.put(lab.HostA, conf, text+fmt.Sprintf(check, "web")+fmt.Sprintf(check, "web6"))
	}
	config("secondary")
	p.do(lab.HostA, "stentor setup && systemctl daemon-reload")
	if s.unit != "" {
		p.do(lab.HostA, "systemctl start "+s.unit)
	}
	p.do(lab.HostA, "systemctl start stentor")
	p.announces(lab.HostA, "65000:2")
	config("primary")
	p.do(lab.HostA, "systemctl reload stentor")
	p.announces(lab.HostA, "65000:1")
	p.answers("before", lab.HostA)

	foretold := map[bool]string{true: "a restart moves no traffic: ", false: "a restart can move traffic: "}[s.keeps]
	if r := p.try(lab.HostA, "stentor restart --dry-run"); !strings.HasPrefix(r.Stdout, foretold) || (r.Code == 0) != s.keeps {
		p.t.Errorf("want %q and the exit code for it, got %s", foretold, r)
	}
	p.restart(s, "restart", "systemctl restart stentor")
	upgrade := p.restart(s, "upgrade", "dpkg --force-confdef -i /root/second.deb 2>&1")
	if !strings.Contains(upgrade, foretold) {
		p.t.Errorf("the upgrade does not say %q:\n%s", foretold, upgrade)
	}

	// A real stop withdraws, if it is not on_exit that keeps.
	began := time.Now()
	p.do(lab.HostA, "dpkg --force-confdef -i /root/first.deb && systemctl stop stentor")
	if !strings.Contains(s.bgp, "on_exit") {
		p.answers("stopped", lab.HostB)
	}
	p.tally(s.name+", stop", began)
	if s.unit != "" {
		p.do(lab.HostA, "systemctl stop "+s.unit)
	}
	p.announces(lab.HostA, "")
}

// restart does one, and looks at what the client had of it.
func (p *pair) restart(s speaking, what, script string) (out string) {
	p.t.Helper()
	began := time.Now()
	pid := p.do(lab.HostA, "systemctl show --value -p MainPID stentor")
	out = p.do(lab.HostA, script)
	if p.do(lab.HostA, "systemctl show --value -p MainPID stentor") == pid {
		p.t.Fatalf("%s: the daemon goes on:\n%s", what, out)
	}
	p.told(lab.HostA)
	p.answers(what, lab.HostA)
	lost, moves := p.tally(s.name+", "+what, began)
	if s.keeps && (lost > 0 || moves > 0) {
		p.t.Errorf("%s: %d pings lost, %d moves", what, lost, moves)
	}
	return out
}

// tally is how many pings were lost since, and how often another host answered.
func (p *pair) tally(what string, since time.Time) (lost, moves int) {
	p.t.Helper()
	for i, ping := range p.probes {
		r := ping.Settled(since)
		lost, moves = lost+r.Lost, moves+len(r.Switches)
		p.t.Logf("%s: to %s: %s, %d moves, away for %s", what, pairVIPs[i], r, len(r.Switches), away(r).Round(100*time.Millisecond))
	}
	return lost, moves
}

// away is for how long another host answered, which is over.
func away(r probe.Report) (sum time.Duration) {
	for i := 1; i < len(r.Switches); i += 2 {
		sum += r.Switches[i].At.Sub(r.Switches[i-1].At)
	}
	return sum
}

// told waits until the daemon of a host has told every peer of every VIP: what
// the route servers have until then may be of the run before.
func (p *pair) told(host string) {
	p.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		r := p.try(host, "stentor status")
		if n := strings.Count(r.Stdout, "announced 4/4 peers"); n == len(pairPrefixes) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("not all is announced: %s", r)
		}
	}
}

func (p *pair) try(host, script string) hosts.Result {
	p.t.Helper()
	r, err := p.hosts[host].Exec(p.limit(time.Minute), script)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// upgradeServers are the route servers that upgrades are tried with.
func upgradeServers() []lab.Kind {
	if everything() {
		return []lab.Kind{lab.FRR, lab.BIRD}
	}
	return []lab.Kind{lab.FRR}
}

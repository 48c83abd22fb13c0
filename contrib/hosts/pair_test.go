package hosts_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/hosts"
	"github.com/stentor-net/stentor/contrib/lab"
)

// TestPair leads two hosts with different stacks through failover, failback
// and a reboot. No ping may be lost when Stentor stops or starts.
func TestPair(t *testing.T) {
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	if _, err := os.Stat("/usr/lib/frr/bgpd"); err != nil {
		t.Skip("the route servers need the package frr")
	}
	netplan, ifupdown, networkd := stack{profile: hosts.Netplan, backend: "netplan"}, stack{profile: hosts.Ifupdown, backend: "ifupdown"}, stack{profile: hosts.Networkd, backend: "networkd"}
	nm := stack{profile: hosts.NM, backend: "networkmanager", table: nmOnLo}
	for _, tt := range []struct {
		suite hosts.Suite
		a, b  stack
		core  bool
	}{
		{hosts.Bookworm, netplan, nm, true},
		{hosts.Bookworm, ifupdown, networkd, false},
		{hosts.Trixie, nm, netplan, false},
		{hosts.Trixie, networkd, ifupdown, false},
	} {
		if !tt.core && !everything() {
			continue
		}
		tt.a.suite, tt.b.suite = tt.suite, tt.suite
		t.Run(fmt.Sprintf("%s/%s+%s", tt.suite, tt.a.profile, tt.b.profile), func(t *testing.T) {
			t.Parallel()
			stacks := map[string]stack{lab.HostA: tt.a, lab.HostB: tt.b}
			p := newPair(t, lab.FRR, stacks)
			failover(p)
			for name, s := range stacks {
				if got := p.backend(name); got != s.backend {
					t.Errorf("host %s: the network backend is %q, want %q", name, got, s.backend)
				}
			}
		})
	}
}

func failover(p *pair) {
	const primary, secondary = "65000:1", "65000:2"
	p.do(lab.HostB, "systemctl start stentor")
	p.announces(lab.HostB, secondary)
	p.answers("b alone", lab.HostB)

	p.lossless("a starts", lab.HostA, func() {
		p.do(lab.HostA, "systemctl start stentor")
		p.announces(lab.HostA, primary)
	})
	p.announces(lab.HostB, secondary)

	p.lossless("a stops", lab.HostB, func() { p.do(lab.HostA, "systemctl stop stentor") })
	p.announces(lab.HostA, "")
	p.holds(lab.HostA)

	p.lossless("a starts again", lab.HostA, func() { p.do(lab.HostA, "systemctl start stentor") })
	p.announces(lab.HostA, primary)

	// Right after Stentor the network of the host goes too, some milliseconds
	// before the router has heard from the route servers.
	p.moves("a reboots", lab.HostB, func() {
		if err := p.hosts[lab.HostA].Reboot(p.limit(2 * time.Minute)); err != nil {
			p.t.Fatal(err)
		}
	})
	// Nothing of ours has run there yet: the stack itself brought them up.
	p.holds(lab.HostA)
	p.announces(lab.HostA, "")
	p.lossless("a starts after the reboot", lab.HostA, func() { p.do(lab.HostA, "systemctl start stentor") })
	p.announces(lab.HostA, primary)
	p.announces(lab.HostB, secondary)
}

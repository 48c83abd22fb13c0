package hosts_test

import (
	"testing"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// TestTwoOwners: NetworkManager and systemd-networkd both run, as on many a host
// that was changed from one to the other. The one that has the uplink is used,
// and the other one keeps its hands off what it did.
func TestTwoOwners(t *testing.T) {
	const restartBoth = "systemctl restart systemd-networkd NetworkManager && nm-online -q -t 20"
	tests := []struct {
		stack
		other string
	}{
		{stack{suite: hosts.Bookworm, profile: hosts.Networkd, backend: "networkd"}, "NetworkManager.service"},
		{stack{suite: hosts.Bookworm, profile: hosts.Netplan, backend: "netplan"}, "NetworkManager.service"},
		{stack{suite: hosts.Bookworm, profile: hosts.NM, backend: "networkmanager", table: nmOnLo}, "systemd-networkd.service"},
	}
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	for _, tt := range tests {
		t.Run(tt.String(), func(t *testing.T) {
			t.Parallel()
			r := newRigWith(t, tt.stack, hosts.Options{Enable: []string{tt.other}})
			r.do("systemctl is-active NetworkManager systemd-networkd")
			r.step(t, "detection", trapDetection)
			r.step(t, "apply", (*rig).begin)
			r.step(t, "restart of both", func(r *rig) {
				r.unwatched(func() {
					r.do(restartBoth)
					r.settle()
				})
				r.holds(web, dns)
				r.quiet(func() { r.stentor(0, "apply") })
			})
			r.step(t, "the end", (*rig).end)
		})
	}
}

package hosts_test

import (
	"testing"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// TestRefusals: where a backend can't keep its word it says why, with the exit
// code that scripts rely on, and leaves no trace of having tried.
func TestRefusals(t *testing.T) {
	tests := []struct {
		stack
		code int
		say  string
	}{
		{stack{suite: hosts.Bookworm, profile: hosts.Netplan, backend: "netplan", table: "[backend.netplan]\ndevice = \"dummy\"\n"}, 2, "device"},
		{stack{suite: hosts.Bookworm, profile: hosts.NoSource, backend: "ifupdown"}, 3, "source"},
		{stack{suite: hosts.Bullseye, profile: hosts.NM, backend: "networkmanager", table: nmOnLo}, 3, "1.42"},
		{stack{suite: hosts.Bullseye, profile: hosts.NetplanNM, backend: "netplan"}, 3, "networkmanager"},
		{stack{suite: hosts.Trixie, profile: hosts.NetplanNM, backend: "netplan"}, 3, "networkmanager"},
	}
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	for _, tt := range tests {
		if !everything() && tt.suite != hosts.Bookworm {
			continue // the core builds one root
		}
		t.Run(tt.String()+"/"+tt.backend, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tt.stack)
			r.config(web, dns)
			r.quiet(func() { r.fails(tt.code, tt.say, "stentor apply") })
			r.holds()
			r.untraced()
			r.intact()
		})
	}
}

// TestNoDummy: a kernel without dummy devices is told by NetworkManager; the
// profile that it took before goes again.
func TestNoDummy(t *testing.T) {
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	for _, suite := range hosts.Suites {
		if !everything() && suite != hosts.Bookworm {
			continue // the core builds one root
		}
		t.Run(string(suite), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, stack{suite: suite, profile: hosts.NM, backend: "networkmanager"})
			if res, err := r.host.Exec(t.Context(), "ip link add probe type dummy && ip link del probe"); err == nil && res.Code == 0 {
				return // this machine's kernel has them: TestLife is about that
			}
			profiles := r.do("nmcli -t -f uuid,filename connection | sort")
			r.config(web, dns)
			r.fails(3, "dummy", "stentor apply")
			if now := r.do("nmcli -t -f uuid,filename connection | sort"); now != profiles {
				t.Errorf("profiles before:\n%sand after:\n%s", profiles, now)
			}
			r.holds()
			r.untraced()
			r.intact()
		})
	}
}

package doctor

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/host/hosttest"
	"github.com/stentor-net/stentor/plugins"
)

// TestHost looks at a real kernel that is broken in known ways.
func TestHost(t *testing.T) {
	ns := hosttest.New(t)
	ns.IP(`link add eth0 type veth peer name far
link set far up
link set eth0 up
address add 203.0.113.10/32 dev eth0
route add default dev eth0`)
	c := &config.Config{
		VIPs: []config.VIP{{Name: "web", Addr: ip("203.0.113.10"), Link: "lo"}},
		BGP:  config.BGP{ASN: 65001, Peers: []plugins.Peer{{Name: "tor", Addr: ip("192.0.2.1"), ASN: 64512, Hold: 9 * time.Second}, {Name: "tor6", Addr: ip("2001:db8::1"), ASN: 64512, Hold: 9 * time.Second}}},
	}
	var got []string
	ns.Do(func() {
		in, err := Host(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		in.Files = fstest.MapFS{}
		if _, err := in.Sysctl("net/ipv4/conf/eth0/rp_filter"); err != nil {
			t.Errorf("Sysctl: %v", err)
		}
		for _, x := range Check(in) {
			if x.Severity != Note {
				got = append(got, fmt.Sprintf("%s: %s", x.Object, x.Message))
			}
		}
	})
	want := []string{
		"link lo: lo is down, so it can't serve web (203.0.113.10)",
		"peer tor: the session would come from 203.0.113.10, the shared IP of vip web",
		"peer tor6: no route to 2001:db8::1",
		"link eth0: what this host itself sends by eth0 comes from 203.0.113.10, the shared IP of vip web: the answer goes to whoever has it then",
		"vip web: 203.0.113.10 stands on the uplink eth0, the config says lo",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// procOnly is the kernel's part of this machine's files.
type procOnly struct{ fs.ReadLinkFS }

func (p procOnly) Open(name string) (fs.File, error) {
	if name != "proc" && !strings.HasPrefix(name, "proc/") {
		return nil, fs.ErrNotExist
	}
	return p.ReadLinkFS.Open(name)
}

// TestKernel sets a real kernel's parameters wrong, and its packet filter, and
// has it choose a temporary address.
func TestKernel(t *testing.T) {
	if _, err := exec.LookPath("iptables"); err != nil {
		t.Skip("needs the package iptables: " + err.Error())
	}
	ns := hosttest.New(t)
	ns.IP(`link set lo up
link add eth0 type veth peer name far0
link add eth1 type veth peer name far1
link set far0 up
link set far1 up
link set eth0 up
link set eth1 up
address add 192.0.2.7/24 dev eth0
address add 198.51.100.7/24 dev eth1
address add 203.0.113.10/32 dev lo
address add 2001:db8:99::10/128 dev lo nodad
route add default via 192.0.2.1`)
	sleep, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "lelastic")
	if err := os.WriteFile(program, sleep, 0o755); err != nil {
		t.Fatal(err)
	}
	f := healthy()
	f.config.BGP.Peers[1].BFD = &plugins.BFD{}
	f.config.BGP.Peers[0].Password = "secret"
	want := []string{
		"ipv6-disabled link lo", "firewall peer tor6", "firewall peer tor6", "accept-ra link eth0", "rp-filter link eth1",
		"nonlocal-bind sysctl net.ipv4.ip_nonlocal_bind", "temporary-source peer tor6", "lelastic lelastic",
	}
	slices.Sort(want)
	var got []string
	ns.Do(func() {
		for path, value := range map[string]string{
			"ipv4/conf/eth1/rp_filter": "1", "ipv4/conf/all/arp_ignore": "1", "ipv6/conf/lo/disable_ipv6": "1", "ipv4/ip_nonlocal_bind": "1",
			"ipv6/conf/eth0/forwarding": "1", "ipv6/conf/eth0/accept_ra": "1", "ipv6/conf/eth0/use_tempaddr": "2", "ipv6/conf/eth0/accept_dad": "0",
		} {
			if err := os.WriteFile("/proc/sys/net/"+path, []byte(value), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, command := range []string{
			"ip address add 2001:db8::7/64 dev eth0 mngtmpaddr nodad valid_lft 36000 preferred_lft 20000",
			"ip route add default via 2001:db8::1 dev eth0", "ip6tables -P INPUT DROP",
		} {
			words := strings.Fields(command)
			if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
		}
		rival := exec.Command(program, "60")
		if err := rival.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = rival.Process.Kill(), rival.Wait() }()
		deadline := time.After(20 * time.Second)
		for {
			route, err := host.RouteTo(f.config.BGP.Peers[1].Addr)
			if err != nil {
				t.Fatal(err)
			}
			if route.Source.IsValid() && route.Source != ip("2001:db8::7") {
				break
			}
			select {
			case <-deadline:
				t.Fatalf("the kernel makes no temporary address, and would speak by %s", route.Source)
			case <-time.After(10 * time.Millisecond):
			}
		}
		// A look does not wait for long for the firewall's programs, and the rival
		// has its name a moment after its start.
		for end := time.Now().Add(20 * time.Second); !slices.Equal(want, got) && time.Now().Before(end); {
			in, err := Host(t.Context(), &f.config)
			if err != nil {
				t.Fatal(err)
			}
			in.Files = procOnly{os.DirFS("/").(fs.ReadLinkFS)}
			in.Kernel.ClockFree = false // that is the machine's
			got = nil
			for _, x := range Check(in) {
				got = append(got, fmt.Sprintf("%s %s", x.Code, x.Object))
			}
			slices.Sort(got)
		}
	})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

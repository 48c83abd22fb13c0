package kernel_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/netbackends/internal/nstest"
)

func TestUplink(t *testing.T) {
	const links = "link add eth0 type veth peer name far0\nlink add eth1 type veth peer name far1\n" +
		"link set far0 up\nlink set far1 up\nlink set eth0 up\nlink set eth1 up\n"
	for _, tt := range []struct {
		name, setup, want string
	}{
		{"nothing", "", ""},
		{"link-local alone", "address add fe80::7/64 dev eth1 nodad", ""},
		{"an address alone", "address add 192.0.2.7/24 dev eth1", "eth1"},
		{"an address on lo does not count", "address add 192.0.2.7/32 dev lo", ""},
		{"default route", "address add 192.0.2.7/24 dev eth0\naddress add 198.51.100.7/24 dev eth1\nroute add default via 198.51.100.1", "eth1"},
		{"the lowest metric", "address add 192.0.2.7/24 dev eth0\naddress add 198.51.100.7/24 dev eth1\n" +
			"route add default via 192.0.2.1 metric 200\nroute add default via 198.51.100.1 metric 100", "eth1"},
		{"IPv4 goes before IPv6", "address add 192.0.2.7/24 dev eth0\naddress add 2001:db8::7/64 dev eth1 nodad\n" +
			"-6 route add default via 2001:db8::1\nroute add default via 192.0.2.1 metric 900", "eth0"},
		{"IPv6 alone", "address add 192.0.2.7/24 dev eth0\naddress add 2001:db8::7/64 dev eth1 nodad\n-6 route add default via 2001:db8::1 dev eth1", "eth1"},
		{"a blackhole is no uplink", "address add 192.0.2.7/24 dev eth0\nroute add blackhole default", "eth0"},
		{"several next hops", "address add 192.0.2.7/24 dev eth0\naddress add 198.51.100.7/24 dev eth1\n" +
			"route add default nexthop via 198.51.100.1 dev eth1 nexthop via 192.0.2.1 dev eth0", "eth1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ns := nstest.New(t)
			ns.IP(links)
			for _, line := range lines(tt.setup) {
				ns.Command("", "ip", line...)
			}
			ns.Do(func() {
				got, err := open(t).Uplink()
				if tt.want == "" {
					if !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%+v, %v; want none", got, err)
					}
				} else if err != nil || got.Name != tt.want {
					t.Errorf("%+v, %v; want %s", got, err, tt.want)
				}
			})
		})
	}
}

// lines splits a script into the arguments of ip(8).
func lines(script string) [][]string {
	var all [][]string
	for line := range strings.Lines(script) {
		all = append(all, strings.Fields(line))
	}
	return all
}

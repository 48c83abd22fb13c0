package daemon

import (
	"net/netip"
	"testing"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
)

func addr(prefix, link string) host.Addr {
	return host.Addr{Prefix: netip.MustParsePrefix(prefix), Link: link, Usable: true, Global: true}
}

func viewOf(mac string, addrs ...host.Addr) host.View {
	v := host.View{
		Links: map[string]host.Link{
			"lo":   {Name: "lo", Index: 1, Loopback: true, Up: true},
			"eth0": {Name: "eth0", Index: 2, Up: true, MAC: mac},
			"eth1": {Name: "eth1", Index: 3, Up: true, MAC: "02:00:00:00:01:01"},
		},
		Addrs:   map[netip.Addr][]host.Addr{},
		Uplink4: "eth1",
	}
	for _, a := range addrs {
		v.Addrs[a.Prefix.Addr()] = append(v.Addrs[a.Prefix.Addr()], a)
	}
	return v
}

func sharing(prefixes ...string) *config.Config {
	c := &config.Config{}
	for _, p := range prefixes {
		prefix := netip.MustParsePrefix(p)
		c.VIPs = append(c.VIPs, config.VIP{Addr: prefix.Addr(), Prefix: prefix.Masked()})
	}
	return c
}

func TestRouterIDIsTheHostsOwn(t *testing.T) {
	const mac = "02:00:00:00:00:01"
	tests := map[string]struct {
		view   host.View
		shared *config.Config
		want   string
	}{
		"uplink": {viewOf(mac, addr("192.0.2.9/24", "eth0"), addr("198.51.100.7/24", "eth1")), sharing(), "198.51.100.7"},
		"shared on the uplink": {viewOf(mac, addr("198.51.100.4/32", "eth1"), addr("198.51.100.7/24", "eth1")),
			sharing("198.51.100.4/32"), "198.51.100.7"},
		"shared within the uplink's subnet": {viewOf(mac, addr("198.51.100.4/24", "eth1"), addr("198.51.100.7/24", "eth1")),
			sharing("198.51.100.4/32"), "198.51.100.7"},
		"no IPv4 on the uplink": {viewOf(mac, addr("2001:db8::7/64", "eth1"), addr("192.0.2.9/24", "eth0")), sharing(), "192.0.2.9"},
		"lo does not count":     {viewOf(mac, addr("203.0.113.1/32", "lo"), addr("192.0.2.9/24", "eth0")), sharing(), "192.0.2.9"},
	}
	for name, tt := range tests {
		if got := RouterID(tt.view, tt.shared); got != netip.MustParseAddr(tt.want) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// TestRouterIDWithoutOwnIPv4: two hosts that hold the same shared IP and
// nothing else must not come up with the same number, or no route server
// could tell them apart (RFC 6286 §2.1).
func TestRouterIDWithoutOwnIPv4(t *testing.T) {
	shared := sharing("198.51.100.4/32")
	one := viewOf("02:00:00:00:00:01", addr("198.51.100.4/32", "eth1"))
	first := RouterID(one, shared)
	if !first.Is4() || first.IsUnspecified() || first == netip.MustParseAddr("198.51.100.4") {
		t.Fatalf("%s is no BGP Identifier of this host", first)
	}
	for range 10 { // maps have no order
		if again := RouterID(one, shared); again != first {
			t.Errorf("%s, then %s", first, again)
		}
	}
	one.Addrs = nil // the shared IP moves to the other host
	if got := RouterID(one, shared); got != first {
		t.Errorf("%s with the shared IP, %s without", first, got)
	}
	other := viewOf("02:00:00:00:00:02", addr("198.51.100.4/32", "eth1"))
	if got := RouterID(other, shared); got == first {
		t.Errorf("two hosts got %s", got)
	}
}

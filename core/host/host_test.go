package host_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/host/hosttest"
)

// follow starts a Host inside ns and waits until it is ready.
func follow(t *testing.T, ns *hosttest.NS) *host.Host {
	t.Helper()
	var h *host.Host
	ns.Do(func() {
		var err error
		if h, err = host.Open(); err != nil {
			t.Fatal(err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-h.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("not ready")
	}
	return h
}

// wait polls the View, once for each change, until ok says true.
func wait(t *testing.T, h *host.Host, what string, ok func(host.View) bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		v := h.View()
		if ok(v) {
			return
		}
		select {
		case <-h.Changed():
		case <-deadline:
			t.Fatalf("never saw: %s\n%+v", what, v)
		}
	}
}

// sameAsRead fails unless the followed View becomes what a fresh look gives,
// which may still move while the kernel looks for duplicates.
func sameAsRead(t *testing.T, ns *hosttest.NS, h *host.Host) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		var want host.View
		ns.Do(func() {
			var err error
			if want, err = host.Read(); err != nil {
				t.Fatal(err)
			}
		})
		d := cmp.Diff(want, h.View(), equalAddrs...)
		if d == "" {
			return
		}
		select {
		case <-h.Changed():
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatalf("not what Read gives (-want +got):\n%s", d)
		}
	}
}

var equalAddrs = []cmp.Option{
	cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}),
	cmpopts.EquateEmpty(),
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func holds(v host.View, a string) bool {
	ok, _ := v.Holds(addr(a))
	return ok
}

func TestReadTellsWhatStandsWhere(t *testing.T) {
	ns := hosttest.New(t)
	ns.IP(`link set lo up
link add eth0 type veth peer name far
link set far up
link set eth0 up
address add 192.0.2.7/24 dev eth0
address add 192.0.2.8/24 dev eth0
address add 198.51.100.1/32 dev lo scope host
address add 2001:db8::10/128 dev lo nodad preferred_lft 0
address add 2001:db8::11/128 dev lo nodad
address add 2001:db8::11/64 dev eth0 nodad valid_lft 1000 preferred_lft 1000
address add 10.0.0.1 peer 10.0.0.2/24 dev far
route add default via 192.0.2.1`)
	var v host.View
	ns.Do(func() {
		for end := time.Now().Add(10 * time.Second); !v.Links["eth0"].Up && time.Now().Before(end); { // the kernel finds the carrier in its time
			var err error
			if v, err = host.Read(); err != nil {
				t.Fatal(err)
			}
		}
	})
	up := host.Addr{Usable: true, Global: true}
	with := func(prefix, link string, change func(*host.Addr)) host.Addr {
		a := up
		a.Prefix, a.Link = netip.MustParsePrefix(prefix), link
		if change != nil {
			change(&a)
		}
		return a
	}
	want := map[netip.Addr][]host.Addr{
		addr("127.0.0.1"):    {with("127.0.0.1/8", "lo", func(a *host.Addr) { a.Global = false })},
		addr("::1"):          {with("::1/128", "lo", func(a *host.Addr) { a.Global = false })},
		addr("192.0.2.7"):    {with("192.0.2.7/24", "eth0", nil)},
		addr("192.0.2.8"):    {with("192.0.2.8/24", "eth0", func(a *host.Addr) { a.Secondary = true })},
		addr("198.51.100.1"): {with("198.51.100.1/32", "lo", func(a *host.Addr) { a.Global = false })},
		addr("2001:db8::10"): {with("2001:db8::10/128", "lo", func(a *host.Addr) { a.Deprecated = true })},
		addr("2001:db8::11"): {
			with("2001:db8::11/128", "lo", nil),
			with("2001:db8::11/64", "eth0", func(a *host.Addr) { a.Dynamic = true }),
		},
		addr("10.0.0.1"): {with("10.0.0.1/32", "far", nil)},
	}
	for a := range v.Addrs {
		if a.IsLinkLocalUnicast() {
			delete(v.Addrs, a) // the kernel's own, of the links' random MACs
		}
	}
	if d := cmp.Diff(want, v.Addrs, equalAddrs...); d != "" {
		t.Errorf("addresses (-want +got):\n%s", d)
	}
	if v.Uplink4 != "eth0" || v.Uplink6 != "" {
		t.Errorf("uplinks %q and %q, want eth0 and none", v.Uplink4, v.Uplink6)
	}
	if l := v.Links["lo"]; !l.Up || !l.Loopback || l.Index != 1 {
		t.Errorf("lo is %+v", l)
	}
	if l := v.Links["eth0"]; !l.Up || l.Loopback || l.MAC == "" {
		t.Errorf("eth0 is %+v", l)
	}
}

func TestFollowAddresses(t *testing.T) {
	ns := hosttest.New(t)
	h := follow(t, ns)
	const v4, v6 = "203.0.113.10", "2001:db8::10"

	ns.IP("address add " + v4 + "/32 dev lo")
	wait(t, h, "v4 on lo that is down", func(v host.View) bool {
		ok, why := v.Holds(addr(v4))
		return !ok && why == "lo is down"
	})
	ns.IP("link set lo up\naddress add " + v6 + "/128 dev lo")
	wait(t, h, "both held", func(v host.View) bool { return holds(v, v4) && holds(v, v6) })

	// The kernel sends no RTM_DELADDR for v4 here, and one for v6.
	ns.IP("link set lo down")
	wait(t, h, "neither held", func(v host.View) bool {
		_, v6There := v.Addrs[addr(v6)]
		_, v4There := v.Addrs[addr(v4)]
		return !holds(v, v4) && v4There && !v6There
	})
	ns.IP("link set lo up")
	wait(t, h, "v4 held again", func(v host.View) bool { return holds(v, v4) && !holds(v, v6) })

	ns.IP("address del " + v4 + "/32 dev lo")
	wait(t, h, "v4 gone", func(v host.View) bool { _, there := v.Addrs[addr(v4)]; return !there })
	sameAsRead(t, ns, h)
}

func TestFollowLinks(t *testing.T) {
	ns := hosttest.New(t)
	ns.IP("link add eth0 type veth peer name far\nlink set eth0 up\naddress add 203.0.113.10/32 dev eth0")
	h := follow(t, ns)
	state := func(want string) func(host.View) bool {
		return func(v host.View) bool { _, why := v.Holds(addr("203.0.113.10")); return why == want }
	}
	wait(t, h, "no carrier", state("eth0 has no carrier"))
	ns.IP("link set far up")
	wait(t, h, "up", state(""))
	ns.IP("link set eth0 down")
	wait(t, h, "down", state("eth0 is down"))
	ns.IP("link set eth0 name wan")
	wait(t, h, "the new name", state("wan is down"))
	ns.IP("link add br0 type bridge\nlink set wan master br0\nlink set wan nomaster\nlink set wan up")
	wait(t, h, "a port that left its bridge", state(""))
	ns.IP("link del wan")
	wait(t, h, "gone", state("203.0.113.10 is not on this host"))
	sameAsRead(t, ns, h)
}

func TestFollowUplinks(t *testing.T) {
	ns := hosttest.New(t)
	ns.IP(`link add eth0 type veth peer name far0
link add eth1 type veth peer name far1
link set far0 up
link set far1 up
link set eth0 up
link set eth1 up
address add 192.0.2.7/24 dev eth0
address add 198.51.100.7/24 dev eth1
route add default via 192.0.2.1 metric 100
route add default via 198.51.100.1 metric 200
route add unreachable default metric 50`)
	h := follow(t, ns)
	uplinks := func(v4, v6 string) func(host.View) bool {
		return func(v host.View) bool { return v.Uplink4 == v4 && v.Uplink6 == v6 }
	}
	wait(t, h, "the lower metric", uplinks("eth0", ""))
	ns.IP("route add default via 198.51.100.1 metric 20")
	wait(t, h, "a better one", uplinks("eth1", ""))
	ns.IP("route add ::/0 dev eth0 metric 1024")
	wait(t, h, "IPv6", uplinks("eth1", "eth0"))
	// Neither is told of: the routes go silently with link and address.
	ns.IP("link set eth1 down")
	wait(t, h, "routes gone with their link", uplinks("eth0", "eth0"))
	ns.IP("address del 192.0.2.7/24 dev eth0")
	wait(t, h, "routes gone with the last address", uplinks("", "eth0"))
	ns.IP("route add default nexthop dev eth0 nexthop dev far0")
	wait(t, h, "multipath", uplinks("eth0", "eth0"))
	sameAsRead(t, ns, h)
}

func TestRepeatedEventsAreNoChange(t *testing.T) {
	ns := hosttest.New(t)
	ns.IP("link set lo up\naddress add 203.0.113.10/32 dev lo")
	h := follow(t, ns)
	for len(h.Changed()) > 0 {
		<-h.Changed()
	}
	before := h.View()
	ns.IP("address replace 203.0.113.10/32 dev lo")
	// The marker comes after the repetition, so one change must do for both.
	ns.IP("address add 203.0.113.11/32 dev lo")
	changes := 0
	wait(t, h, "the marker", func(v host.View) bool { changes++; return holds(v, "203.0.113.11") })
	if changes > 2 {
		t.Errorf("%d changes, want one, for the marker", changes-1)
	}
	if holds(before, "203.0.113.11") {
		t.Error("a View that was handed out has changed")
	}
}

// TestBurst adds and deletes thousands of addresses while they are watched.
func TestBurst(t *testing.T) {
	const count = 3000
	ns := hosttest.New(t)
	h := follow(t, ns)
	var script strings.Builder
	for i := range count {
		fmt.Fprintf(&script, "address add 10.1.%d.%d/32 dev lo\n", i/250, i%250)
	}
	ns.IP(script.String())
	wait(t, h, "all of them", func(v host.View) bool { return len(v.Addrs) == count })
	sameAsRead(t, ns, h)
	ns.IP(strings.ReplaceAll(script.String(), " add ", " del "))
	wait(t, h, "none of them", func(v host.View) bool { return len(v.Addrs) == 0 })
}

func TestRouteTo(t *testing.T) {
	ns := hosttest.New(t)
	ns.IP(`link set lo up
link add eth0 type veth peer name far
link set far up
link set eth0 up
address add 192.0.2.7/24 dev eth0
address add 2001:db8::7/64 dev eth0 nodad
address add 203.0.113.10/32 dev lo
route add 198.51.100.0/24 via 192.0.2.1
route add 198.51.101.0/24 via inet6 2001:db8::1 dev eth0
route add blackhole 198.51.102.0/24
route add prohibit 198.51.103.0/24`)
	tests := []struct {
		to   string
		want host.Route
		err  string
	}{
		{to: "192.0.2.1", want: host.Route{Link: "eth0", Source: addr("192.0.2.7")}},
		{to: "198.51.100.9", want: host.Route{Link: "eth0", Gateway: addr("192.0.2.1"), Source: addr("192.0.2.7")}},
		{to: "198.51.101.9", want: host.Route{Link: "eth0", Gateway: addr("2001:db8::1"), Source: addr("192.0.2.7")}},
		{to: "::ffff:192.0.2.1", want: host.Route{Link: "eth0", Source: addr("192.0.2.7")}},
		{to: "2001:db8::1", want: host.Route{Link: "eth0", Source: addr("2001:db8::7")}},
		{to: "203.0.113.10", want: host.Route{Link: "lo", Source: addr("203.0.113.10")}},
		{to: "198.51.102.1", err: "no route to 198.51.102.1: a prohibit or blackhole route stands in the way"},
		{to: "198.51.103.1", err: "no route to 198.51.103.1: a prohibit or blackhole route stands in the way"},
		{to: "198.18.0.1", err: "no route to 198.18.0.1"},
		{to: "2001:db8:1::1", err: "no route to 2001:db8:1::1"},
		{to: "fe80::1%eth9", err: "no route to fe80::1%eth9: there is no link eth9"},
	}
	for _, tt := range tests {
		t.Run(tt.to, func(t *testing.T) {
			var got host.Route
			var err error
			ns.Do(func() { got, err = host.RouteTo(addr(tt.to)) })
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != tt.err {
				t.Fatalf("error %q, want %q", text, tt.err)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	// The route for link-local addresses comes with the carrier, in the kernel's time.
	h := follow(t, ns)
	wait(t, h, "eth0 up", func(v host.View) bool { return v.Links["eth0"].Up })
	ns.Do(func() {
		r, err := host.RouteTo(addr("fe80::1%eth0"))
		if err != nil || r.Link != "eth0" {
			t.Errorf("zone: %+v, %v", r, err)
		}
	})
}

func TestOwnIPv4(t *testing.T) {
	at := func(prefix, link string) host.Addr {
		return host.Addr{Prefix: netip.MustParsePrefix(prefix), Link: link, Global: true, Usable: true}
	}
	secondary := at("192.0.2.1/24", "eth0")
	secondary.Secondary = true
	local := at("192.0.2.1/24", "eth0")
	local.Global = false
	tests := []struct {
		name             string
		uplink4, uplink6 string
		addrs            []host.Addr
		except           []string
		want             string
	}{
		{name: "none", uplink4: "eth0"},
		{name: "uplink before others", uplink4: "eth1",
			addrs: []host.Addr{at("192.0.2.7/24", "eth0"), at("198.51.100.7/24", "eth1")}, want: "198.51.100.7"},
		{name: "IPv6 uplink when the IPv4 one has none", uplink6: "eth1",
			addrs: []host.Addr{at("192.0.2.7/24", "eth0"), at("198.51.100.7/24", "eth1")}, want: "198.51.100.7"},
		{name: "by index without an uplink",
			addrs: []host.Addr{at("192.0.2.7/24", "eth1"), at("198.51.100.7/24", "eth0")}, want: "198.51.100.7"},
		{name: "never from lo", uplink4: "eth0",
			addrs: []host.Addr{at("203.0.113.10/32", "lo"), at("192.0.2.7/24", "eth1")}, want: "192.0.2.7"},
		{name: "never a shared one", uplink4: "eth0", except: []string{"192.0.2.5"},
			addrs: []host.Addr{at("192.0.2.5/24", "eth0"), at("192.0.2.7/24", "eth0")}, want: "192.0.2.7"},
		{name: "never a secondary or a local one", uplink4: "eth0",
			addrs: []host.Addr{secondary, local, at("192.0.2.7/24", "eth0")}, want: "192.0.2.7"},
		{name: "a subnet before another tool's /32", uplink4: "eth0",
			addrs: []host.Addr{at("192.0.2.5/32", "eth0"), at("192.0.2.7/24", "eth0")}, want: "192.0.2.7"},
		{name: "a /32 when it is all there is", uplink4: "eth0",
			addrs: []host.Addr{at("192.0.2.5/32", "eth0")}, want: "192.0.2.5"},
		{name: "IPv6 does not count", uplink4: "eth0",
			addrs: []host.Addr{at("2001:db8::1/64", "eth0")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := host.View{
				Uplink4: tt.uplink4, Uplink6: tt.uplink6,
				Links: map[string]host.Link{
					"lo":   {Name: "lo", Index: 1, Loopback: true},
					"eth0": {Name: "eth0", Index: 2},
					"eth1": {Name: "eth1", Index: 3},
				},
				Addrs: map[netip.Addr][]host.Addr{},
			}
			for _, a := range tt.addrs {
				v.Addrs[a.Prefix.Addr()] = append(v.Addrs[a.Prefix.Addr()], a)
			}
			got, ok := v.OwnIPv4(func(a netip.Addr) bool { return slices.Contains(tt.except, a.String()) })
			var want netip.Addr
			if tt.want != "" {
				want = addr(tt.want)
			}
			if got != want || ok != want.IsValid() {
				t.Errorf("got %v, %v; want %v", got, ok, want)
			}
		})
	}
}

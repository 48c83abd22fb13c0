package verify

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/host"
)

// was is a host with an uplink, a container's link, and one shared IP.
func was() Snapshot {
	s := Snapshot{
		View: host.View{
			Links: map[string]host.Link{
				"lo":    {Name: "lo", Index: 1, Loopback: true, Up: true},
				"eth0":  {Name: "eth0", Index: 2, Up: true},
				"veth1": {Name: "veth1", Index: 3, Up: true},
			},
			Addrs: map[netip.Addr][]host.Addr{},
		},
		Defaults: []host.Default{
			{Family: "IPv4", Link: "eth0", Gateway: netip.MustParseAddr("192.0.2.1")},
			{Family: "IPv6", Link: "eth0", Gateway: netip.MustParseAddr("fe80::1")},
		},
		Peers: map[netip.Addr]host.Route{
			netip.MustParseAddr("192.0.2.1"):    {Link: "eth0"},
			netip.MustParseAddr("198.51.100.1"): {Link: "eth0", Gateway: netip.MustParseAddr("192.0.2.1")},
		},
	}
	for _, a := range []host.Addr{
		at("127.0.0.1/8", "lo"), at("::1/128", "lo"), at("198.51.100.7/32", "lo"), at("203.0.113.10/32", "lo"),
		at("192.0.2.2/24", "eth0"), at("fe80::2/64", "eth0"), at("fe80::3/64", "veth1"),
	} {
		put(s, a)
	}
	return s
}

func at(prefix, link string) host.Addr {
	return host.Addr{Prefix: netip.MustParsePrefix(prefix), Link: link, Usable: true}
}

func put(s Snapshot, a host.Addr) {
	s.View.Addrs[a.Prefix.Addr()] = append(s.View.Addrs[a.Prefix.Addr()], a)
}

func drop(s Snapshot, addr string) { delete(s.View.Addrs, netip.MustParseAddr(addr)) }

func TestLost(t *testing.T) {
	down := func(s Snapshot, link string) {
		l := s.View.Links[link]
		l.Up = false
		s.View.Links[link] = l
	}
	tests := map[string]struct {
		before, after func(s *Snapshot) // what differs
		want          []string
	}{
		"nothing": {nil, nil, nil},
		"a shared IP came, another went": {nil, func(s *Snapshot) {
			drop(*s, "203.0.113.10")
		}, nil},
		"the wanted one is not there": {nil, func(s *Snapshot) { drop(*s, "203.0.113.25") }, []string{"203.0.113.25 is not on the host"}},
		"lo is emptied": {nil, func(s *Snapshot) { drop(*s, "127.0.0.1"); drop(*s, "::1") },
			[]string{"127.0.0.1/8 on lo is gone", "::1/128 on lo is gone"}},
		"lo is down":                   {nil, func(s *Snapshot) { down(*s, "lo") }, []string{"lo is down"}},
		"lo was down":                  {func(s *Snapshot) { down(*s, "lo") }, func(s *Snapshot) { down(*s, "lo") }, nil},
		"somebody else's address":      {nil, func(s *Snapshot) { drop(*s, "198.51.100.7") }, []string{"198.51.100.7/32 on lo is gone"}},
		"the uplink's address":         {nil, func(s *Snapshot) { drop(*s, "192.0.2.2") }, []string{"192.0.2.2/24 on eth0 is gone"}},
		"another length":               {nil, func(s *Snapshot) { drop(*s, "192.0.2.2"); put(*s, at("192.0.2.2/32", "eth0")) }, []string{"192.0.2.2/24 on eth0 is gone"}},
		"on another link":              {nil, func(s *Snapshot) { drop(*s, "192.0.2.2"); put(*s, at("192.0.2.2/24", "veth1")) }, []string{"192.0.2.2/24 on eth0 is gone"}},
		"put there again, and not yet": {nil, func(s *Snapshot) { s.View.Addrs[netip.MustParseAddr("fe80::2")][0].Usable = false }, []string{"fe80::2/64 on eth0 is gone"}},
		"was not usable before": {func(s *Snapshot) { s.View.Addrs[netip.MustParseAddr("fe80::2")][0].Usable = false },
			func(s *Snapshot) { drop(*s, "fe80::2") }, nil},
		"ran out by itself": {func(s *Snapshot) {
			put(*s, host.Addr{Prefix: netip.MustParsePrefix("2001:db8::9/64"), Link: "eth0", Usable: true, Dynamic: true, Deprecated: true})
		}, nil, nil},
		"from DHCP": {func(s *Snapshot) {
			put(*s, host.Addr{Prefix: netip.MustParsePrefix("192.0.2.9/24"), Link: "eth0", Usable: true, Dynamic: true})
		}, nil, []string{"192.0.2.9/24 on eth0 is gone"}},
		"a container ended": {nil, func(s *Snapshot) { drop(*s, "fe80::3"); delete(s.View.Links, "veth1") }, nil},
		"the uplink itself": {nil, func(s *Snapshot) {
			drop(*s, "192.0.2.2")
			drop(*s, "fe80::2")
			delete(s.View.Links, "eth0")
			s.Defaults, s.Peers = nil, nil
		}, []string{
			"192.0.2.2/24 on eth0 is gone", "fe80::2/64 on eth0 is gone",
			"the default route via 192.0.2.1 by eth0 is gone", "the default route via fe80::1 by eth0 is gone",
			"the way to peer 192.0.2.1 is gone", "the way to peer 198.51.100.1 is gone",
		}},
		"another gateway": {nil, func(s *Snapshot) { s.Defaults[0].Gateway = netip.MustParseAddr("192.0.2.254") },
			[]string{"the default route via 192.0.2.1 by eth0 is gone"}},
		"one without a gateway": {func(s *Snapshot) { s.Defaults[0].Gateway = netip.Addr{} }, func(s *Snapshot) { s.Defaults = s.Defaults[1:] },
			[]string{"the IPv4 default route by eth0 is gone"}},
		"one more": {nil, func(s *Snapshot) { s.Defaults = append(s.Defaults, host.Default{Family: "IPv4", Link: "veth1"}) }, nil},
		"a way to a peer that is a black hole": {nil, func(s *Snapshot) { s.Peers[netip.MustParseAddr("192.0.2.1")] = host.Route{Link: "lo"} },
			[]string{"the way to peer 192.0.2.1 is another one: by lo, and was by eth0"}},
		"a way to a peer by another gateway": {nil, func(s *Snapshot) {
			s.Peers[netip.MustParseAddr("198.51.100.1")] = host.Route{Link: "eth0", Gateway: netip.MustParseAddr("192.0.2.254")}
		}, []string{"the way to peer 198.51.100.1 is another one: via 192.0.2.254 by eth0, and was via 192.0.2.1 by eth0"}},
		"a peer that there was no way to": {func(s *Snapshot) { s.Peers = nil }, nil, nil},
	}
	for name, tt := range tests {
		before, after := was(), was()
		put(after, at("203.0.113.25/32", "lo"))
		if tt.before != nil {
			tt.before(&before)
		}
		if tt.after != nil {
			tt.after(&after)
		}
		if diff := cmp.Diff(tt.want, Lost(before, after, change())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// change takes 203.0.113.10 away and puts 203.0.113.25 there.
func change() Change {
	added := netip.MustParseAddr("203.0.113.25")
	return Change{Want: []netip.Addr{added}, Ours: map[netip.Addr]bool{added: true, netip.MustParseAddr("203.0.113.10"): true}}
}

// TestWait: what settles is no loss; what does not is one, and is named.
func TestWait(t *testing.T) {
	whole := was()
	put(whole, at("203.0.113.25/32", "lo"))
	flapping := whole
	flapping.View.Addrs = maps.Clone(whole.View.Addrs)
	drop(flapping, "192.0.2.2")
	broken := errors.New("netlink is gone")
	tests := map[string]struct {
		look  func(after time.Duration) (Snapshot, error)
		limit time.Duration // of the context
		want  string
		took  time.Duration
	}{
		"well at once": {func(time.Duration) (Snapshot, error) { return whole, nil }, time.Hour, "", 0},
		"settles": {func(after time.Duration) (Snapshot, error) {
			if after < 1950*time.Millisecond {
				return flapping, nil
			}
			return whole, nil
		}, time.Hour, "", 2 * time.Second},
		"lost":            {func(time.Duration) (Snapshot, error) { return flapping, nil }, time.Hour, "192.0.2.2/24 on eth0 is gone", settleTime},
		"no time to wait": {func(time.Duration) (Snapshot, error) { return flapping, nil }, 250 * time.Millisecond, "192.0.2.2/24 on eth0 is gone", 250 * time.Millisecond},
		"can't look":      {func(time.Duration) (Snapshot, error) { return whole, broken }, time.Hour, "check the host after the change: netlink is gone", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
				defer cancel()
				began := time.Now()
				err := Wait(ctx, was(), change(), func() (Snapshot, error) { return tt.look(time.Since(began)) })
				if (err != nil) != (tt.want != "") || err != nil && err.Error() != tt.want {
					t.Errorf("%v, want %s", err, tt.want)
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("took %s, want %s", took, tt.took)
				}
				var loss *LossError
				if errors.As(err, &loss) && !slices.IsSorted(loss.Lost) {
					t.Error("in no order")
				}
			})
		})
	}
}

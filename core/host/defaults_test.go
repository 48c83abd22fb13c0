package host_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/host/hosttest"
)

func TestDefaults(t *testing.T) {
	ns := hosttest.New(t)
	ns.IP(`link set lo up
link add a0 type veth peer name b0
link add a1 type veth peer name b1
link set a0 up
link set b0 up
link set a1 up
link set b1 up
address add 192.0.2.2/24 dev a0
address add 198.51.100.2/24 dev a1
route add default via 192.0.2.1 metric 100
route add default via 198.51.100.1 metric 200
route add default dev a1 metric 300
route add 203.0.113.0/24 via 192.0.2.1
route add ::/0 via fe80::1 dev a0
route add unreachable ::/0 metric 9999`)
	var got []host.Default
	var err error
	ns.Do(func() { got, err = host.Defaults() })
	if err != nil {
		t.Fatal(err)
	}
	want := []host.Default{
		{Family: "IPv4", Link: "a0", Gateway: netip.MustParseAddr("192.0.2.1")},
		{Family: "IPv4", Link: "a1", Gateway: netip.MustParseAddr("198.51.100.1")},
		{Family: "IPv4", Link: "a1"},
		{Family: "IPv6", Link: "a0", Gateway: netip.MustParseAddr("fe80::1")},
	}
	words := func(all []host.Default) (words []string) {
		for _, d := range all {
			words = append(words, d.Family+" "+d.String())
		}
		slices.Sort(words)
		return words
	}
	if diff := cmp.Diff(words(want), words(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

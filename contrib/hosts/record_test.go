package hosts

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	when, err := time.ParseInLocation("2006-01-02T15:04:05.000000", "2026-03-01T10:00:"+s, time.Local)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestParseEvent(t *testing.T) {
	now := at(t, "00.123456")
	tests := []struct {
		line string
		want Event
		ok   bool
	}{
		{`[2026-03-01T10:00:00.123456] 1: lo    inet 203.0.113.10/32 scope global lo\       valid_lft forever preferred_lft forever`,
			Event{At: now, Link: "lo", Prefix: netip.MustParsePrefix("203.0.113.10/32")}, true},
		{`[2026-03-01T10:00:00.123456] Deleted 2: eth0    inet6 2001:db8::1/64 scope global tentative \       valid_lft forever preferred_lft forever`,
			Event{At: now, Deleted: true, Link: "eth0", Prefix: netip.MustParsePrefix("2001:db8::1/64")}, true},
		{`[2026-03-01T10:00:00.123456] 2: eth0@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default \    link/ether 00:00:5e:00:53:01 brd ff:ff:ff:ff:ff:ff`,
			Event{At: now, Link: "eth0", Up: true}, true},
		{`[2026-03-01T10:00:00.123456] 1: lo: <LOOPBACK> mtu 65536 qdisc noqueue state DOWN group default \    link/loopback 00:00:00:00:00:00`,
			Event{At: now, Link: "lo"}, true},
		{line: `[2026-03-01T10:00:00.123456] local 203.0.113.10 dev lo table local proto kernel scope host src 203.0.113.10`},
		{line: `[2026-03-01T10:00:00.123456] Deleted blackhole 198.18.0.1 table 4242`},
		{line: `1: lo    inet 203.0.113.10/32 scope global lo`},
		{line: ``},
	}
	for _, tt := range tests {
		got, ok := parseEvent(tt.line)
		if ok != tt.ok || ok && !cmp.Equal(got, tt.want, cmpopts.EquateComparable(netip.Prefix{})) {
			t.Errorf("%s\ngot  %v %v\nwant %v %v", tt.line, got, ok, tt.want, tt.ok)
		}
	}
}

func TestHoles(t *testing.T) {
	own, other := netip.MustParsePrefix("192.0.2.2/24"), netip.MustParsePrefix("192.0.2.3/24")
	events := []Event{
		{At: at(t, "01.000000"), Link: "eth0", Prefix: own}, // a renewal
		{At: at(t, "02.000000"), Link: "eth0", Prefix: own, Deleted: true},
		{At: at(t, "02.000001"), Link: "lo", Prefix: own},
		{At: at(t, "02.000002"), Link: "eth0", Prefix: other},
		{At: at(t, "02.012000"), Link: "eth0", Prefix: own},
		{At: at(t, "03.000000"), Link: "eth0", Up: false},
		{At: at(t, "03.100000"), Link: "eth0", Up: true},
		{At: at(t, "04.000000"), Link: "eth0", Prefix: own, Deleted: true},
	}
	want := []Hole{
		{What: "192.0.2.2/24", From: at(t, "02.000000"), Length: 12 * time.Millisecond},
		{What: "eth0", From: at(t, "03.000000"), Length: 100 * time.Millisecond},
		{What: "192.0.2.2/24", From: at(t, "04.000000")},
	}
	if d := cmp.Diff(want, Holes(events, "eth0", own)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

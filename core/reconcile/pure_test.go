package reconcile

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

func TestDesire(t *testing.T) {
	now := time.Unix(1000, 0)
	here := host.View{
		Links: map[string]host.Link{"lo": {Up: true}},
		Addrs: map[netip.Addr][]host.Addr{vip(1): {{Link: "lo", Usable: true}}},
	}
	down := host.View{Links: map[string]host.Link{"lo": {Why: "lo is down"}}, Addrs: here.Addrs}
	ago := func(d time.Duration) map[netip.Addr]time.Time { return map[netip.Addr]time.Time{vip(1): now.Add(-d)} }
	drained := func(since, left time.Duration) Drains {
		d := Drain{Since: now.Add(-since), Reason: "disk"}
		if left > 0 {
			d.Until = now.Add(left)
		}
		return Drains{VIPs: map[string]Drain{"vip1": d}}
	}
	primary, drain := conf(1).VIPs[0].Attrs.Communities, conf(1).VIPs[0].DrainAttrs.Communities
	tests := []struct {
		name   string
		view   host.View
		lost   map[netip.Addr]time.Time
		drains Drains
		told   []plugins.Community // nil: not announced
		state  status.State
		why    string
		wake   time.Duration // from now; 0: never
	}{
		{name: "on the host", view: here, told: primary, state: status.Pending},
		{name: "never there", state: status.Pending, why: "203.0.113.1 is not on this host"},
		{name: "just gone", lost: ago(100 * time.Millisecond), told: primary, state: status.Withdrawn,
			why: "203.0.113.1 is not on this host; withdrawn unless it is back within 500ms", wake: 400 * time.Millisecond},
		{name: "gone for long", lost: ago(500 * time.Millisecond), state: status.Withdrawn, why: "203.0.113.1 is not on this host"},
		{name: "link down", view: down, lost: ago(time.Second), state: status.Withdrawn, why: "lo is down"},
		{name: "drained before the start, a moment ago", view: here, drains: drained(time.Second, 0), told: drain, state: status.Drained,
			why: "drained (disk): the peers were told to prefer another host; withdrawn " + clock(now.Add(time.Second)), wake: time.Second},
		{name: "drained before the start", view: here, drains: drained(3*time.Second, 0), state: status.Drained, why: "drained (disk)"},
		{name: "drain ends", view: here, drains: drained(3*time.Second, 7*time.Second), state: status.Drained,
			why: "drained (disk) until " + now.Add(7*time.Second).Format(time.RFC3339), wake: 7 * time.Second},
		{name: "drained and gone", lost: ago(time.Minute), drains: drained(0, 0), state: status.Drained, why: "drained (disk)"},
		{name: "all drained", view: here, drains: Drains{All: &Drain{Since: now.Add(-time.Hour)}}, state: status.Drained, why: "drained"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Desire(Facts{Config: conf(1), View: tt.view, Drains: tt.drains, Lost: tt.lost, Started: now, Now: now})
			var told []plugins.Community
			for _, a := range d.Speaker.Announcements {
				told = a.Communities
			}
			if diff := cmp.Diff(tt.told, told); diff != "" {
				t.Errorf("announced with: %s", diff)
			}
			v := d.Verdicts["vip1"]
			if v.State != tt.state || v.Why != tt.why {
				t.Errorf("%s, %q; want %s, %q", v.State, v.Why, tt.state, tt.why)
			}
			if len(d.Host) != 1 {
				t.Errorf("host: %v", d.Host)
			}
			var wake time.Duration
			if !d.Wake.IsZero() {
				wake = d.Wake.Sub(now)
			}
			if wake != tt.wake {
				t.Errorf("wakes after %s, want %s", wake, tt.wake)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	p := netip.MustParsePrefix
	v := func(n int) plugins.VIP { return plugins.VIP{Name: "v", Addr: vip(n), Link: "lo"} }
	six := plugins.VIP{Name: "six", Addr: netip.MustParseAddr("2001:db8:5a:1::1"), Link: "lo"}
	tests := []struct {
		name    string
		want    []plugins.VIP
		held    []plugins.VIPState
		exposed Exposure
		now     []plugins.VIP
	}{
		{"new", []plugins.VIP{v(1)}, nil, Exposure{}, []plugins.VIP{v(1)}},
		{"still told", nil, []plugins.VIPState{{VIP: v(1)}}, Exposure{p("203.0.113.1/32"): true}, []plugins.VIP{v(1)}},
		{"told no more", nil, []plugins.VIPState{{VIP: v(1)}}, Exposure{p("203.0.113.2/32"): true}, nil},
		{"its /64 is told", nil, []plugins.VIPState{{VIP: six}}, Exposure{p("2001:db8:5a:1::/64"): true}, []plugins.VIP{six}},
		{"another address under its name", []plugins.VIP{v(2)}, []plugins.VIPState{{VIP: v(1)}},
			Exposure{p("203.0.113.1/32"): true}, []plugins.VIP{v(2), v(1)}},
	}
	for _, tt := range tests {
		now, lingering := Order(tt.want, tt.held, tt.exposed)
		if diff := cmp.Diff(tt.now, now, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if lingering != len(now)-len(tt.want) {
			t.Errorf("%s: lingering %d", tt.name, lingering)
		}
	}
}

func TestDrainStore(t *testing.T) {
	now := time.Unix(1000, 0).UTC()
	dir := t.TempDir()
	s, err := OpenDrains(dir)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Set(nil, Drain{Since: now, Reason: "all"}))
	if _, ok := s.At(now).Of("later"); !ok {
		t.Error("a VIP of a later config is not drained")
	}
	must(s.Clear([]string{"a"}, []string{"a", "b"}, now))
	if _, ok := s.At(now).Of("a"); ok {
		t.Error("a is drained still")
	}
	if d, ok := s.At(now).Of("b"); !ok || d.Reason != "all" {
		t.Error("b is drained no more")
	}
	must(s.Set([]string{"b"}, Drain{Since: now.Add(time.Second), Reason: "again", Until: now.Add(time.Hour)}))
	s, err = OpenDrains(dir)
	must(err)
	if d, _ := s.At(now).Of("b"); d.Reason != "again" || !d.Since.Equal(now) {
		t.Errorf("after a restart: %+v", d)
	}
	if _, ok := s.At(now.Add(time.Hour)).Of("b"); ok {
		t.Error("a drain outlived its end")
	}
}

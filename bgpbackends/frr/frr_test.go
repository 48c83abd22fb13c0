package frr

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/contrib/lab/rs"
	"github.com/stentor-net/stentor/plugins"
)

// operator is a configuration as somebody keeps it by hand.
const operator = `frr defaults traditional
! the office's own edge
log timestamp precision 3
ip nht resolve-via-default
ipv6 nht resolve-via-default
ip route 10.1.0.0/24 blackhole
ip prefix-list OFFICE seq 5 permit 10.0.0.0/8 le 24
route-map OFFICE-OUT permit 10
 match ip address prefix-list OFFICE
 set metric 5
exit
bgp community-list standard OFFICE permit 65001:10
router bgp 65001
 bgp router-id 100.64.10.2
 no bgp ebgp-requires-policy
 neighbor TRANSIT peer-group
 neighbor TRANSIT remote-as 65000
 ! ask Kim before you touch this one
 neighbor 2600:3c0f:4:34::2 peer-group TRANSIT
 neighbor 2600:3c0f:4:34::2 description the office's transit
 neighbor 2600:3c0f:4:34::2 ebgp-multihop 16
 neighbor 2600:3c0f:4:34::2 timers 3 9
 neighbor 2600:3c0f:4:34::2 timers connect 1
 address-family ipv4 unicast
  network 10.1.0.0/24
  neighbor TRANSIT route-map OFFICE-OUT out
 exit-address-family
exit
`

// uptime is how often, and when last, the operator's own session came up. FRR
// may know of it later than the peer.
func (r *rig) uptime() any {
	r.Helper()
	d, err := r.b.dial(r.ctx, bgpdName)
	if err != nil {
		r.Fatal(err)
	}
	defer d.close()
	r.until("the operator's session in FRR", func() (bool, any) {
		n, err := d.neighbor(r.ctx, netip.MustParseAddr("2600:3c0f:4:34::2"))
		return err == nil && n != nil && n.state() == plugins.StateEstablished, []any{n, err}
	})
	events := 0
	for _, e := range r.events("rs2") {
		if e.Kind == rs.Established || e.Kind == rs.Down {
			events++
		}
	}
	return events
}

func (r *rig) events(server string) []rs.Event {
	r.Helper()
	e, err := r.Events(server)
	if err != nil {
		r.Fatal(err)
	}
	return e
}

// of are the events about a prefix, since a moment.
func of(events []rs.Event, prefix string, since time.Time) []rs.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e rs.Event) bool { return e.Prefix.String() != prefix || e.Time.Before(since) })
}

// onlyRS1 is told to the first route server; the second one is the operator's.
func (r *rig) onlyRS1(announcements ...plugins.Announcement) plugins.Speaker {
	s := r.speaker(announcements...)
	s.Peers = s.Peers[:1]
	return s
}

// TestLife walks an announcement from its start to its end beside an
// operator's configuration, of which nothing may change, and whose session
// must stay.
func TestLife(t *testing.T) { onEachFRR(t, life) }

func life(t *testing.T, put installer) {
	r := newRig(t, put, lab.Embedded, 2, operator)
	r.until("the operator's session", func() (bool, any) {
		s, err := r.Sessions(r.ctx, "rs2")
		return err == nil && len(s) > 0 && s[0].State == plugins.StateEstablished, s
	})
	before, up := r.config(), r.uptime()

	began := time.Now()
	r.apply(r.onlyRS1(announce(vipA, primary), announce(vipB, primary)))
	r.until("the routes", func() (bool, any) {
		s := r.told()
		return strings.Contains(s, vipA+" "+vipB), s
	})
	t.Logf("announced %s after the start", time.Since(began).Round(time.Millisecond))
	a, b := r.route("rs1", vipA, withRole(primary)), r.route("rs1", vipB, withRole(primary))
	for _, x := range []rs.Route{a, b} {
		if !slices.Equal(x.ASPath, []uint32{65001}) || x.NextHop.String() != "2600:3c0f:a:a::11" {
			t.Errorf("%+v", x)
		}
	}

	if p, err := r.b.Plan(r.ctx, r.onlyRS1(announce(vipA, primary), announce(vipB, primary))); err != nil || len(p.Steps) > 0 {
		t.Errorf("nothing changed, and Plan has %+v, %v", p, err)
	}

	changed := time.Now()
	r.apply(r.onlyRS1(announce(vipA, secondary), announce(vipB, primary)))
	applied := time.Now()
	r.route("rs1", vipA, withRole(secondary))
	for _, e := range of(r.events("rs1"), vipA, changed) {
		if e.Kind == rs.Withdraw {
			t.Errorf("a change of role withdrew: %+v", e)
		}
		t.Logf("role change at the peer after %s, Apply took %s", e.Time.Sub(changed), applied.Sub(changed))
	}
	if e := of(r.events("rs1"), vipB, changed); len(e) > 0 {
		t.Errorf("the other prefix was sent again: %+v", e)
	}

	withdrawn := time.Now()
	r.apply(r.onlyRS1(announce(vipB, primary)))
	r.gone("rs1", vipA)
	t.Logf("withdrawn at the peer after %s", of(r.events("rs1"), vipA, withdrawn)[0].Time.Sub(withdrawn))

	r.apply(plugins.Speaker{})
	r.until("the end of the session", func() (bool, any) {
		e := r.events("rs1")
		return e[len(e)-1].Kind == rs.Down, e
	})
	events := r.events("rs1")
	if last := of(events, vipB, withdrawn); len(last) != 1 || last[0].Kind != rs.Withdraw {
		t.Errorf("the goodbye did not withdraw first: %+v", events)
	}
	if end := events[len(events)-1]; !strings.Contains(end.Detail, "NOTIFICATION 6/") {
		t.Errorf("the session ended without a Cease: %+v", end)
	}
	if d := cmp.Diff(before, r.config()); d != "" {
		t.Errorf("traces of ours:\n%s", d)
	}
	if now := r.uptime(); now != up {
		t.Errorf("the operator's session came up or went down: %v, was %v", now, up)
	}
	onDisk, err := os.ReadFile(r.frr.conf)
	if err != nil || string(onDisk) != operator {
		t.Errorf("frr.conf on disk: %v\n%s", err, cmp.Diff(operator, string(onDisk)))
	}
	if left, _ := filepath.Glob(filepath.Join(r.state(), "*")); len(left) > 0 {
		t.Errorf("left in the state folder: %v", left)
	}
}

// TestOwnInstance makes a `router bgp` where there is none, and takes it away.
func TestOwnInstance(t *testing.T) { onEachFRR(t, ownInstance) }

func ownInstance(t *testing.T, put installer) {
	r := newRig(t, put, lab.Embedded, 1, "frr defaults traditional\nlog timestamp precision 3\n")
	r.b = r.newBackend(map[string]any{"resolve_via_default": true})
	before := r.config()
	want := r.speaker(announce(vipA, primary))
	var err error
	for range 5 { // a busy machine can take longer than settledAge from bgpd's start to here
		r.running["bgpd"].Kill(r.ctx)
		r.startDaemon("bgpd")
		r.boot()
		if err = r.b.Apply(r.ctx, want); err != nil || r.b.justStarted(r.ctx) {
			break
		}
		r.apply(plugins.Speaker{})
	}
	if !errors.Is(err, plugins.ErrUnavailable) || !strings.Contains(err.Error(), "just started") {
		t.Errorf("Apply right after bgpd's start: %v", err)
	}
	r.until("bgpd to be old enough", func() (bool, any) {
		err := r.b.Apply(r.ctx, want)
		return err == nil, err
	})
	r.route("rs1", vipA, withRole(primary))

	// Another AS is another instance, which is ours to replace.
	want.ASN = 65002
	r.apply(want)
	if c := r.config(); !strings.Contains(c, "\nrouter bgp 65002\n") || strings.Contains(c, "router bgp 65001") {
		t.Errorf("after a change of AS:\n%s", c)
	}
	r.apply(plugins.Speaker{})
	if d := cmp.Diff(before, r.config()); d != "" {
		t.Errorf("traces of ours:\n%s", d)
	}
}

// TestForeign: what the operator has is refused, and the rest is done.
func TestForeign(t *testing.T) { onEachFRR(t, foreign) }

func foreign(t *testing.T, put installer) {
	r := newRig(t, put, lab.Embedded, 2, strings.Replace(operator, "  network 10.1", "  network "+vipA+"\n  network 10.1", 1))
	before := r.config()
	err := r.b.Apply(r.ctx, r.speaker(announce(vipA, primary), announce(vipB, primary)))
	for _, part := range []string{"peer rs2: FRR has a neighbor 2600:3c0f:4:34::2 already", "announcement " + vipA + ": FRR has `network " + vipA + "` already"} {
		if !errors.Is(err, plugins.ErrForeign) || !strings.Contains(err.Error(), part) {
			t.Errorf("Apply: %v, want ErrForeign and %q", err, part)
		}
	}
	r.route("rs1", vipB, withRole(primary))
	wrong := r.onlyRS1(announce(vipB, primary))
	wrong.ASN = 65009
	if err := r.b.Apply(r.ctx, wrong); !errors.Is(err, plugins.ErrForeign) || !strings.Contains(err.Error(), "AS 65001") {
		t.Errorf("another AS: %v", err)
	}
	r.apply(plugins.Speaker{})
	if d := cmp.Diff(before, r.config()); d != "" {
		t.Errorf("traces of ours:\n%s", d)
	}
}

// TestRestart kills bgpd, and then zebra and staticd: what they lost is told at
// once, and comes back when they do.
func TestRestart(t *testing.T) { onEachFRR(t, restart) }

func restart(t *testing.T, put installer) {
	r := newRig(t, put, lab.Embedded, 2, operator)
	before := r.config()
	changes := make(chan plugins.Change, 1000)
	go r.b.Watch(r.ctx, func(c plugins.Change) { changes <- c })
	lost := func(why string) time.Time {
		t.Helper()
		for {
			select {
			case c := <-changes:
				if c.Lost && strings.Contains(c.Why, why) {
					return time.Now()
				}
			case <-time.After(patience):
				t.Fatalf("no word of %q", why)
			}
		}
	}
	want := r.onlyRS1(announce(vipA, primary), announce(vipB, primary))
	r.apply(want)
	r.route("rs1", vipB, withRole(primary))

	killed := time.Now()
	r.running["bgpd"].Signal(syscall.SIGKILL)
	t.Logf("the end of bgpd was told %s after it", lost("bgpd has ended").Sub(killed))
	if s, err := r.b.Observe(r.ctx); err != nil || s.Peers[0].State != plugins.StateIdle || len(s.Peers[0].Announced) > 0 {
		t.Errorf("Observe without bgpd: %+v, %v", s, err)
	}
	if _, err := r.b.Plan(r.ctx, want); !errors.Is(err, plugins.ErrUnavailable) || !strings.Contains(err.Error(), "systemctl start frr") {
		t.Errorf("Plan without bgpd: %v", err)
	}
	r.gone("rs1", vipA)
	r.startDaemon("bgpd")
	r.boot()
	back := time.Now()
	lost("bgpd was restarted")
	r.apply(want)
	t.Logf("the piece was back %s after bgpd", time.Since(back))
	r.route("rs1", vipA, withRole(primary))
	r.route("rs1", vipB, withRole(primary))

	for _, name := range []string{staticd, "zebra"} {
		r.running[name].Kill(r.ctx)
		lost(name + " has ended")
		r.startDaemon(name)
		r.boot()
		lost(name + " was restarted")
		r.apply(want)
		r.until("all announced", func() (bool, any) { s := r.told(); return strings.Contains(s, vipA+" "+vipB), s })
		r.route("rs1", vipB, withRole(primary))
	}
	r.apply(plugins.Speaker{})
	if d := cmp.Diff(before, r.config()); d != "" {
		t.Errorf("traces of ours:\n%s", d)
	}
}

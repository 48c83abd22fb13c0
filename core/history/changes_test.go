package history

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/status"
)

func TestChanges(t *testing.T) {
	now, up := time.Unix(100, 0).UTC(), time.Unix(99, 0).UTC()
	vip := func(v status.VIP) *status.Status {
		v.Name, v.Role, v.Peers = "web", "primary", 2
		return &status.Status{VIPs: []status.VIP{v}}
	}
	peer := func(state string, since time.Time, why string) *status.Status {
		return &status.Status{Peers: []status.Peer{{Name: "rs1", State: state, Since: since, LastError: why}}}
	}
	check := func(state, recent, output string) *status.Status {
		return &status.Status{Checks: []status.Check{{Name: "web/https", State: state, Since: up, Recent: recent, Output: output}}}
	}
	backend := func(b status.Backend) *status.Status {
		b.Name, b.Isolated = "gobgp", true
		return &status.Status{Backends: []status.Backend{b}}
	}
	problems := func(p ...status.Problem) *status.Status { return &status.Status{Problems: p} }
	none := &status.Status{}

	tests := map[string]struct {
		old, cur *status.Status
		want     []Event
	}{
		"the start": {nil, &status.Status{Version: "1.2", Generation: 1}, []Event{
			{At: now, Object: "daemon", To: "started", Why: "version 1.2"}, {At: now, Object: "config", To: "generation 1"}}},
		"the end": {vip(status.VIP{State: status.Announced, AnnouncedTo: []string{"a"}}),
			func() *status.Status {
				s := vip(status.VIP{State: status.Withdrawn, Why: "the daemon stopped"})
				s.Stopped = true
				return s
			}(), []Event{
				{At: now, Object: "vip web", From: "announced as primary, 1/2 peers", To: "withdrawn as primary, 0/2 peers", Why: "the daemon stopped"},
				{At: now, Object: "daemon", From: "started", To: "stopped", Why: "every route was withdrawn"}}},
		"the end, and routes stay": {vip(status.VIP{State: status.Announced, AnnouncedTo: []string{"a"}}),
			func() *status.Status {
				s := vip(status.VIP{State: status.Announced, AnnouncedTo: []string{"a"}})
				s.Stopped = true
				return s
			}(), []Event{{At: now, Object: "daemon", From: "started", To: "stopped", Why: "1 of 1 VIPs are still announced"}}},
		"a reload":  {&status.Status{Generation: 1}, &status.Status{Generation: 2}, []Event{{At: now, Object: "config", From: "generation 1", To: "generation 2"}}},
		"a speaker": {&status.Status{BGP: status.BGP{Backend: "gobgp"}}, &status.Status{BGP: status.BGP{Backend: "frr"}}, []Event{{At: now, Object: "bgp", From: "gobgp", To: "frr", Why: "the config names another backend"}}},

		"a VIP comes":   {none, vip(status.VIP{State: status.Pending, Why: "new"}), []Event{{At: now, Object: "vip web", To: "pending as primary, 0/2 peers", Why: "new"}}},
		"a VIP goes":    {vip(status.VIP{State: status.Announced}), none, []Event{{At: now, Object: "vip web", From: "announced as primary, 0/2 peers", Why: notConfigured}}},
		"one more peer": {vip(status.VIP{State: status.Announced, AnnouncedTo: []string{"a"}}), vip(status.VIP{State: status.Announced, AnnouncedTo: []string{"a", "b"}}), []Event{{At: now, Object: "vip web", From: "announced as primary, 1/2 peers", To: "announced as primary, 2/2 peers"}}},
		"demoted":       {vip(status.VIP{State: status.Announced}), vip(status.VIP{State: status.Announced, Demoted: true, Why: "unhealthy"}), []Event{{At: now, Object: "vip web", From: "announced as primary, 0/2 peers", To: "demoted as primary, 0/2 peers", Why: "unhealthy"}}},
		"only why":      {vip(status.VIP{State: status.Pending, Why: "a"}), vip(status.VIP{State: status.Pending, Why: "b"}), nil},

		"a peer comes up":        {peer("active", now, "refused"), peer("established", up, "refused"), []Event{{At: up, Object: "peer rs1", From: "active", To: "established"}}},
		"a peer is lost":         {peer("established", now, ""), peer("idle", up, "hold timer expired"), []Event{{At: up, Object: "peer rs1", From: "established", To: "idle", Why: "hold timer expired"}}},
		"a flap between 2 looks": {peer("established", now, ""), peer("established", up, "reset"), []Event{{At: up, Object: "peer rs1", From: "established", To: "established again", Why: "reset"}}},
		"a peer without a time":  {none, peer("idle", time.Time{}, ""), []Event{{At: now, Object: "peer rs1", To: "idle"}}},
		"a peer goes":            {peer("established", up, ""), none, []Event{{At: now, Object: "peer rs1", From: "established", Why: notConfigured}}},

		"a check fails":      {check("up", "+++", "ok"), check("down", "++---", "HTTP 503"), []Event{{At: up, Object: "check web/https", From: "up", To: "down", Why: "the last 3 results: bad", Output: "HTTP 503"}}},
		"a check is broken":  {check("unknown", "", ""), check("broken", "!", "no such file"), []Event{{At: up, Object: "check web/https", From: "unknown", To: "broken", Why: "the last result: no result, as it could not run", Output: "no such file"}}},
		"a check says more":  {check("up", "+", "1 ms"), check("up", "++", "2 ms"), nil},
		"a check is removed": {check("up", "+", ""), none, []Event{{At: now, Object: "check web/https", From: "up", Why: notConfigured}}},

		"a crash":           {backend(status.Backend{PID: 7}), backend(status.Backend{LastEnd: "killed\ntrace"}), []Event{{At: now, Object: "backend gobgp", From: "running as pid 7", To: "down", Why: "killed"}}},
		"a quick restart":   {backend(status.Backend{PID: 7}), backend(status.Backend{PID: 8, LastEnd: "killed"}), []Event{{At: now, Object: "backend gobgp", From: "running as pid 7", To: "running as pid 8", Why: "killed"}}},
		"one for a peer":    {none, backend(status.Backend{PID: 9, Peer: "rs1"}), []Event{{At: now, Object: "backend gobgp for rs1", To: "running as pid 9"}}},
		"within the daemon": {none, &status.Status{Backends: []status.Backend{{Name: "iproute", PID: 1}}}, nil},

		"drift":             {none, problems(status.Problem{Object: "vip web", Message: "edited by hand"}), []Event{{At: now, Object: "vip web", From: "ok", To: "problem", Why: "edited by hand"}}},
		"drift is over":     {problems(status.Problem{Object: "vip web", Message: "edited by hand"}), none, []Event{{At: now, Object: "vip web", From: "problem", To: "ok", Why: "no longer: edited by hand"}}},
		"another problem":   {problems(status.Problem{Object: "bgp", Message: "a"}), problems(status.Problem{Object: "bgp", Message: "a"}, status.Problem{Object: "bgp", Message: "b"}), []Event{{At: now, Object: "bgp", From: "problem", To: "problem", Why: "b"}}},
		"the peers' states": {none, problems(status.Problem{Object: "peer rs1", Message: "session is idle"}, status.Problem{Object: "check x", Message: "broken"}), nil},
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, Changes(tt.old, tt.cur, now)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestCause: a VIP's event carries what its failed check said, also of a check
// that failed a while ago.
func TestCause(t *testing.T) {
	checks := []status.Check{{Name: "dns", State: "up", Output: "fine"}, {Name: "web/https", State: "down", Output: "HTTP 503"}}
	old := &status.Status{Checks: checks, VIPs: []status.VIP{{Name: "web", State: status.Announced, Checks: []string{"dns", "web/https"}}}}
	cur := &status.Status{Checks: checks, VIPs: []status.VIP{{Name: "web", State: status.Withdrawn, Checks: []string{"dns", "web/https"}, Why: "check https is down"}}}
	got := Changes(old, cur, time.Unix(1, 0))
	if len(got) != 1 || got[0].Why != "check https is down" || got[0].Output != "web/https: HTTP 503" {
		t.Errorf("%+v", got)
	}
}

// TestStatesAreKnown holds the list that hooks are checked against.
func TestStatesAreKnown(t *testing.T) {
	for _, s := range []status.State{status.Announced, status.Withdrawn, status.Pending, status.Failed, status.Drained} {
		e := Event{Object: "vip web", To: vipWords(&status.VIP{State: s, Role: "primary"})}
		if !slices.Contains(States()[e.Kind()], e.State()) {
			t.Errorf("%q", e.State())
		}
	}
	for _, e := range []Event{{Object: "config", To: "generation 2"}, {Object: "backend x", To: backendWords(&status.Backend{PID: 1})},
		{Object: "backend x", To: backendWords(&status.Backend{})}, {Object: "daemon", To: "started"}, {Object: "peer a", To: "established again"},
		{Object: "vip web", From: "announced"}, {Object: "vip web", To: vipWords(&status.VIP{State: status.Announced, Demoted: true})}} {
		if !slices.Contains(States()[e.Kind()], e.State()) {
			t.Errorf("%+v enters %q", e, e.State())
		}
	}
}

func TestEntered(t *testing.T) {
	for e, want := range map[Event]bool{
		{To: "up"}:                     true,
		{From: "up", To: "down"}:       true,
		{From: "announced, 1/2 peers"}: true,
		{From: "announced, 1/2 peers", To: "announced, 2/2 peers"}: false,
		{From: "ok", To: "problem"}:                                true,
	} {
		if got := e.Entered(); got != want {
			t.Errorf("%+v: %v", e, got)
		}
	}
}

func TestConcerns(t *testing.T) {
	for _, tt := range []struct {
		object, asked string
		want          bool
	}{
		{"vip web", "", true}, {"vip web", "vip web", true}, {"check web/https", "vip web", true},
		{"check website/https", "vip web", false}, {"check web", "vip web", false}, {"peer web", "vip web", false}, {"vip web2", "vip web", false},
	} {
		if got := (Event{Object: tt.object}).Concerns(tt.asked); got != tt.want {
			t.Errorf("%q asked for %q: %v", tt.object, tt.asked, got)
		}
	}
}

// BenchmarkChanges is what a snapshot of many VIPs costs the loop when one moved.
func BenchmarkChanges(b *testing.B) {
	snapshot := func(moved status.State) *status.Status {
		s := &status.Status{}
		for i := range 5000 {
			s.VIPs = append(s.VIPs, status.VIP{Name: fmt.Sprintf("vip%05d", i), Role: "primary", State: status.Announced, AnnouncedTo: []string{"rs1"}})
		}
		s.VIPs[2500].State = moved
		return s
	}
	old, cur := snapshot(status.Announced), snapshot(status.Withdrawn)
	for b.Loop() {
		if len(Changes(old, cur, time.Unix(1, 0))) != 1 {
			b.Fatal("want one event")
		}
	}
}

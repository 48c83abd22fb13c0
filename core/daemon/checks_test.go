package daemon

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/status"
)

func TestFacts(t *testing.T) {
	s := &status.Status{
		Peers: []status.Peer{{Name: "rs1", State: "established"}, {Name: "rs2", State: "active"}},
		VIPs:  []status.VIP{{Name: "web", State: status.Announced}, {Name: "db", State: status.Pending}},
	}
	if diff := cmp.Diff(map[string]bool{"rs1": true, "rs2": false}, sessionFacts(s)); diff != "" {
		t.Errorf("sessions:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"web": "", "db": "pending"}, vipFacts(s)); diff != "" {
		t.Errorf("VIPs:\n%s", diff)
	}
	links := map[string]host.Link{"lo": {Up: true}, "eth1": {Why: "eth1 has no carrier"}}
	if diff := cmp.Diff(map[string]string{"lo": "", "eth1": "eth1 has no carrier"}, linkFacts(links)); diff != "" {
		t.Errorf("links:\n%s", diff)
	}
}

func TestWithResults(t *testing.T) {
	then, now := time.Unix(100, 0), time.Unix(130, 0)
	s := &status.Status{Checks: []status.Check{
		{Name: "web/a", State: "up", At: then, Output: "200 OK", Recent: "++"},
		{Name: "web/b", State: "up", At: then, Output: "200 OK", Recent: "++"},
		{Name: "web/c", State: "up", At: then},
	}}
	got := withResults(s, health.View{
		"web/a": {State: health.Up, At: now, Output: "204 No Content", Took: 1500 * time.Microsecond, Recent: []health.Outcome("+++")},
		"web/b": {State: health.Down, At: now, Output: "refused", Recent: []health.Outcome("++-")},
	})
	want := []status.Check{
		{Name: "web/a", State: "up", At: now, Output: "204 No Content", TookMS: 1.5, Recent: "+++"},
		s.Checks[1], // a decision comes with what follows from it
		s.Checks[2],
	}
	if diff := cmp.Diff(want, got.Checks); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	if s.Checks[0].At != then {
		t.Error("the snapshot was changed")
	}
	if withResults(nil, nil) != nil {
		t.Error("there is a snapshot before the first")
	}
}

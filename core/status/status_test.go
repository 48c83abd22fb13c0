package status

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestHealthy(t *testing.T) {
	vip := func(s State, told, peers int) VIP {
		return VIP{State: s, AnnouncedTo: make([]string, told), Peers: peers}
	}
	tests := map[string]struct {
		s    Status
		want bool
	}{
		"nothing":   {Status{}, true},
		"announced": {Status{VIPs: []VIP{vip(Announced, 4, 4)}}, true},
		"partly":    {Status{VIPs: []VIP{vip(Announced, 3, 4)}}, false},
		"demoted":   {Status{VIPs: []VIP{{State: Announced, Demoted: true}}}, false},
		"drained":   {Status{VIPs: []VIP{vip(Drained, 0, 4)}}, true},
		"pending":   {Status{VIPs: []VIP{vip(Pending, 0, 4)}}, false},
		"problem":   {Status{VIPs: []VIP{vip(Announced, 4, 4)}, Problems: []Problem{{}}}, false},
	}
	for name, tt := range tests {
		if got := tt.s.Healthy(); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestJSONContract holds the names that scripts depend on. A name may be added
// here, never changed or removed.
func TestJSONContract(t *testing.T) {
	raw, err := json.Marshal(Status{VIPs: []VIP{{Adopted: true, Checks: []string{"x"}, Health: "up", Demoted: true, Penalty: 1, Next: time.Unix(1, 0)}}, Checks: []Check{{At: time.Unix(1, 0)}}, Peers: []Peer{{}}, Problems: []Problem{{}}, Backends: []Backend{{UserWhy: "x", Peer: "x", Since: time.Unix(1, 0), EndedAt: time.Unix(1, 0)}}})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"":         "version since generation converged network bgp vips peers problems backends checks",
		"network":  "backend why",
		"bgp":      "backend asn router_id",
		"vips":     "name address announce role state why since on_host adopted announced_to peers checks health demoted penalty next",
		"checks":   "name kind target state since at took_ms output weight recent vips",
		"peers":    "name address asn state since announced received last_error",
		"problems": "object message hint since",
		"backends": "name kind version api pid isolated user user_why powerless since restarts last_end ended_at peer",
	}
	for where, keys := range want {
		table := got
		switch v := got[where].(type) {
		case map[string]any:
			table = v
		case []any:
			table = v[0].(map[string]any)
		}
		for _, k := range strings.Fields(keys) {
			if _, ok := table[k]; !ok {
				t.Errorf("%q has no %q", where, k)
			}
		}
		if n := len(strings.Fields(keys)); n != len(table) {
			t.Errorf("%q has %d keys, the contract knows %d", where, len(table), n)
		}
	}
}

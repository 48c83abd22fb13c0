package metrics

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/stentor-net/stentor/core/status"
)

// sum gives how many were observed, and their sum.
func sum(t *testing.T, h prometheus.Histogram) (uint64, time.Duration) {
	t.Helper()
	var m dto.Metric
	if err := h.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.Histogram.GetSampleCount(), time.Duration(m.Histogram.GetSampleSum() * float64(time.Second)).Round(time.Microsecond)
}

func TestConvergence(t *testing.T) {
	e, start := newEdges(), time.Unix(100, 0)
	steps := []struct {
		at time.Duration
		s  status.Status
	}{
		{0, status.Status{Generation: 1}},
		{2 * time.Second, status.Status{Generation: 1, Converged: true}},
		{3 * time.Second, status.Status{Generation: 1}}, // work, but no new config
		{4 * time.Second, status.Status{Generation: 1, Converged: true}},
		{5 * time.Second, status.Status{Generation: 2}},
		{6 * time.Second, status.Status{Generation: 3}}, // the one before never was
		{10 * time.Second, status.Status{Generation: 3, Converged: true}},
	}
	var old *status.Status
	for i := range steps {
		e.published(old, &steps[i].s, start.Add(steps[i].at))
		old = &steps[i].s
	}
	if n, total := sum(t, e.converged); n != 2 || total != 6*time.Second {
		t.Errorf("%d observed, %s in all; want 2 s and 4 s", n, total)
	}
}

func TestWithdrawal(t *testing.T) {
	const bad, good = "down", "up"
	start := time.Unix(100, 0)
	type step struct {
		at      time.Duration
		health  string
		told    int
		demoted bool
	}
	tests := map[string]struct {
		steps []step
		want  []time.Duration
	}{
		"withdrawn":        {[]step{{0, good, 2, false}, {time.Second, bad, 2, false}, {1100 * time.Millisecond, bad, 1, false}, {1200 * time.Millisecond, bad, 0, false}}, []time.Duration{300 * time.Millisecond}},
		"in one step":      {[]step{{0, good, 2, false}, {time.Second, bad, 0, false}}, []time.Duration{100 * time.Millisecond}},
		"demoted":          {[]step{{0, good, 2, false}, {time.Second, bad, 2, true}, {2 * time.Second, bad, 0, false}}, nil},
		"healthy again":    {[]step{{0, good, 2, false}, {time.Second, bad, 2, false}, {2 * time.Second, good, 2, false}, {3 * time.Second, good, 0, false}}, nil},
		"drained":          {[]step{{0, good, 2, false}, {time.Second, good, 0, false}}, nil},
		"it had no route":  {[]step{{0, good, 0, false}, {time.Second, bad, 0, false}}, nil},
		"it began like so": {[]step{{0, bad, 0, false}, {time.Second, bad, 0, false}}, nil},
	}
	for name, tt := range tests {
		e := newEdges()
		var old *status.Status
		for _, s := range tt.steps {
			cur := &status.Status{
				VIPs:   []status.VIP{{Name: "web", Health: s.health, AnnouncedTo: make([]string, s.told), Demoted: s.demoted, Checks: []string{"dns", "web/https"}}},
				Checks: []status.Check{{Name: "dns", State: "up", Since: start.Add(950 * time.Millisecond)}, {Name: "web/https", State: "down", Since: start.Add(900 * time.Millisecond)}},
			}
			e.published(old, cur, start.Add(s.at))
			old = cur
		}
		var want time.Duration
		for _, d := range tt.want {
			want += d
		}
		if n, total := sum(t, e.withdrawn); n != uint64(len(tt.want)) || total != want {
			t.Errorf("%s: %d observed, %s in all; want %v", name, n, total, tt.want)
		}
		if len(e.failing) > 0 {
			t.Errorf("%s: still waits for %v", name, e.failing)
		}
	}
}

// TestCounts counts flaps, and forgets what is no longer in the config.
func TestCounts(t *testing.T) {
	e := newEdges()
	step := func(old, cur *status.Status) *status.Status { e.published(old, cur, time.Unix(1, 0)); return cur }
	host := func(state status.State, peer string, since int64) *status.Status {
		return &status.Status{VIPs: []status.VIP{{Name: "web", State: state}}, Peers: []status.Peer{{Name: "rs1", State: peer, Since: time.Unix(since, 0)}}}
	}
	last := step(nil, host(status.Pending, "active", 1))
	last = step(last, host(status.Announced, "established", 2))
	last = step(last, host(status.Announced, "established", 3)) // lost and back between two looks
	last = step(last, host(status.Withdrawn, "idle", 4))
	last = step(last, host(status.Withdrawn, "active", 5))
	got := []float64{testutil.ToFloat64(e.vips.WithLabelValues("web")), testutil.ToFloat64(e.sessions.WithLabelValues("rs1"))}
	if diff := cmp.Diff([]float64{2, 2}, got); diff != "" {
		t.Error(diff)
	}
	step(last, &status.Status{})
	if n := testutil.CollectAndCount(e.vips) + testutil.CollectAndCount(e.sessions); n != 0 {
		t.Errorf("%d figures of what is gone", n)
	}
}

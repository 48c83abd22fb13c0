package metrics

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// edges are what only the step from one snapshot to the next tells: how often
// something changed, and how long it took. The loop calls it, a scrape reads
// the counters, so they need no lock of ours.
type edges struct {
	vips, sessions *prometheus.CounterVec
	converged      prometheus.Histogram
	withdrawn      prometheus.Histogram

	asked   time.Time            // when the generation was seen that has not converged yet
	failing map[string]time.Time // VIPs whose health failed, and that some peer still has
}

// buckets are from 1 ms, which a withdrawal can take, to 33 s, beyond a Hold
// Time of 9 s and its retries.
func buckets() []float64 { return prometheus.ExponentialBuckets(0.001, 2, 16) }

func newEdges() *edges {
	return &edges{
		vips: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stentor_vip_state_changes_total", Help: "How often a VIP entered another state.",
		}, []string{"vip"}),
		sessions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stentor_peer_session_losses_total", Help: "How often an established session was lost.",
		}, []string{"peer"}),
		converged: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "stentor_config_convergence_seconds", Help: "From a new config to host and peers holding it.", Buckets: buckets(),
		}),
		withdrawn: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "stentor_withdrawal_seconds", Help: "From the check result that decided to no peer having the route.", Buckets: buckets(),
		}),
		failing: map[string]time.Time{},
	}
}

func (e *edges) register(to prometheus.Registerer) {
	to.MustRegister(e.vips, e.sessions, e.converged, e.withdrawn)
}

// published takes in the step from old, nil at first, to cur.
func (e *edges) published(old, cur *status.Status, now time.Time) {
	if old == nil {
		old = &status.Status{}
	}
	if old.Generation != cur.Generation {
		e.asked = now
	}
	if cur.Converged && !e.asked.IsZero() {
		e.converged.Observe(now.Sub(e.asked).Seconds())
		e.asked = time.Time{}
	}
	status.Merge(old.Peers, cur.Peers, func(p *status.Peer) string { return p.Name }, e.peer)
	status.Merge(old.VIPs, cur.VIPs, func(v *status.VIP) string { return v.Name }, func(old, v *status.VIP) { e.vip(old, v, cur, now) })
}

func (e *edges) vip(old, cur *status.VIP, s *status.Status, now time.Time) {
	switch {
	case cur == nil:
		e.vips.DeleteLabelValues(old.Name)
		delete(e.failing, old.Name)
		return
	case old == nil:
		e.vips.WithLabelValues(cur.Name) // 0 from the start, so that the first change is an increase
		return
	}
	if old.State != cur.State || old.Demoted != cur.Demoted {
		e.vips.WithLabelValues(cur.Name).Inc()
	}
	if old.Health != down && cur.Health == down && len(old.AnnouncedTo) > 0 {
		e.failing[cur.Name] = decided(cur, s, now)
	}
	since, ok := e.failing[cur.Name]
	switch {
	case !ok:
	case cur.Health != down || cur.Demoted: // it is not going to be withdrawn
		delete(e.failing, cur.Name)
	case len(cur.AnnouncedTo) == 0:
		e.withdrawn.Observe(max(now.Sub(since), 0).Seconds())
		delete(e.failing, cur.Name)
	}
}

// decided is when the result came that took a VIP's health away: the youngest
// failure among its checks.
func decided(v *status.VIP, s *status.Status, now time.Time) time.Time {
	var last time.Time
	for _, name := range v.Checks {
		i, ok := slices.BinarySearchFunc(s.Checks, name, func(k status.Check, name string) int { return strings.Compare(k.Name, name) })
		if ok && s.Checks[i].State != "up" && s.Checks[i].Since.After(last) {
			last = s.Checks[i].Since
		}
	}
	if last.IsZero() {
		return now
	}
	return last
}

func (e *edges) peer(old, cur *status.Peer) {
	switch {
	case cur == nil:
		e.sessions.DeleteLabelValues(old.Name)
	case old == nil:
		e.sessions.WithLabelValues(cur.Name)
	case old.State == established && (cur.State != established || !cur.Since.Equal(old.Since)): // lost, or lost and back
		e.sessions.WithLabelValues(cur.Name).Inc()
	}
}

const (
	established = string(plugins.StateEstablished)
	down        = string(health.Down)
)

package metrics

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stentor-net/stentor/core/status"
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
	e.peers(old, cur)
	was := make(map[string]*status.VIP, len(old.VIPs))
	for i := range old.VIPs {
		was[old.VIPs[i].Name] = &old.VIPs[i]
	}
	for i := range cur.VIPs {
		v := &cur.VIPs[i]
		e.vip(was[v.Name], v, cur, now)
		delete(was, v.Name)
	}
	for name := range was {
		e.vips.DeleteLabelValues(name)
		delete(e.failing, name)
	}
}

func (e *edges) vip(old, cur *status.VIP, s *status.Status, now time.Time) {
	changes := e.vips.WithLabelValues(cur.Name) // there with 0 from the start, so that the first change is an increase
	if old == nil {
		return
	}
	if old.State != cur.State || old.Demoted != cur.Demoted {
		changes.Inc()
	}
	if old.Health != "down" && cur.Health == "down" && len(old.AnnouncedTo) > 0 {
		e.failing[cur.Name] = decided(cur, s, now)
	}
	since, ok := e.failing[cur.Name]
	switch {
	case !ok:
	case cur.Health != "down" || cur.Demoted: // it is not going to be withdrawn
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

func (e *edges) peers(old, cur *status.Status) {
	was := make(map[string]*status.Peer, len(old.Peers))
	for i := range old.Peers {
		was[old.Peers[i].Name] = &old.Peers[i]
	}
	for i := range cur.Peers {
		p := &cur.Peers[i]
		losses := e.sessions.WithLabelValues(p.Name)
		if o := was[p.Name]; o != nil && o.State == established && (p.State != established || !p.Since.Equal(o.Since)) {
			losses.Inc()
		}
		delete(was, p.Name)
	}
	for name := range was {
		e.sessions.DeleteLabelValues(name)
	}
}

const established = "established" // RFC 4271 §8.2.2

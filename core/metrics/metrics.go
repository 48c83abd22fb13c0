// Package metrics gives figures of a daemon to Prometheus.
package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/stentor-net/stentor/core/hooks"
	"github.com/stentor-net/stentor/core/reconcile"
	"github.com/stentor-net/stentor/core/status"
)

// Source is where the figures come from. Each is called at every scrape, and
// must answer from memory.
type Source struct {
	Status func() *status.Status // nil before the first snapshot
	Counts func() reconcile.Counts
	Hooks  func() []hooks.Stat
	// History gives how many events were lost, and why nothing is written, if so.
	History func() (lost uint64, err error)
	Version string
}

// Metrics is a registry of our own: what a library registers for itself stays out.
type Metrics struct {
	registry *prometheus.Registry
	edges    *edges
	reloads  *reloads
}

// New makes the figures of one daemon.
func New(s Source) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), edges: newEdges(), reloads: newReloads()}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "stentor_build_info", Help: "Always 1; the labels tell what runs.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(s.Version, runtime.Version()).Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newCollector(s))
	m.edges.register(m.registry)
	m.reloads.register(m.registry)
	return m
}

// Handler answers scrapes.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
	})
}

// Published takes in a snapshot and the one before it. It does not block.
func (m *Metrics) Published(old, cur *status.Status) { m.edges.published(old, cur, time.Now()) }

// Reloaded takes in how a reload ended.
func (m *Metrics) Reloaded(err error) { m.reloads.ended(err, time.Now()) }

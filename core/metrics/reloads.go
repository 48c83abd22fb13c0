package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// reloads tells whether the config on disk is the one in force. The names are
// those that Prometheus has for its own.
type reloads struct {
	last, at prometheus.Gauge
}

func newReloads() *reloads {
	r := &reloads{
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "stentor_config_last_reload_successful", Help: "Whether the last attempt to take over the config on disk succeeded.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "stentor_config_last_reload_success_timestamp_seconds", Help: "When a config was last taken over.",
		}),
	}
	r.ended(nil, time.Now()) // the first config is in force, or there were no daemon
	return r
}

func (r *reloads) register(to prometheus.Registerer) { to.MustRegister(r.last, r.at) }

func (r *reloads) ended(err error, now time.Time) {
	if err != nil {
		r.last.Set(0)
		return
	}
	r.last.Set(1)
	r.at.Set(seconds(now))
}

// seconds is the Unix time, as Prometheus has times.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}

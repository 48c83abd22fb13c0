package grafana

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/stentor-net/stentor/core/hooks"
	"github.com/stentor-net/stentor/core/metrics"
	"github.com/stentor-net/stentor/core/reconcile"
	"github.com/stentor-net/stentor/core/status"
)

// daemon stands for a running one: its figures are real, its status is the
// test's.
type daemon struct {
	metrics *metrics.Metrics

	mu     sync.Mutex
	now    *status.Status
	broken bool // the history
}

func newDaemon() *daemon {
	d := &daemon{}
	d.metrics = metrics.New(metrics.Source{
		Status: d.status,
		Counts: func() reconcile.Counts {
			return reconcile.Counts{Passes: 3, LastPass: time.Millisecond, Calls: map[string]reconcile.Calls{"network": {Applied: 1}, "gobgp": {Applied: 2, Failed: 1}}}
		},
		Hooks: func() []hooks.Stat { return []hooks.Stat{{Name: "chat", Delivered: 1}} },
		History: func() (uint64, error) {
			if d.broken {
				return 7, errors.New("no space left on device")
			}
			return 0, nil
		},
		Version: "1.2.3",
	})
	return d
}

func (d *daemon) status() *status.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *daemon) publish(s *status.Status) {
	d.mu.Lock()
	old := d.now
	d.now = s
	d.mu.Unlock()
	d.metrics.Published(old, s)
}

func (d *daemon) handler() http.Handler { return d.metrics.Handler(slog.New(slog.DiscardHandler)) }

// well is a host on which all is as it should be.
func well() *status.Status {
	return &status.Status{
		Version: "1.2.3", Generation: 1, Converged: true, Since: time.Unix(1, 0),
		VIPs: []status.VIP{{Name: "web", Address: "203.0.113.10/32", Announce: "203.0.113.10/32", Role: "primary", State: status.Announced,
			OnHost: true, AnnouncedTo: []string{"rs1"}, Peers: 1, Checks: []string{"web/https"}, Health: "up", Since: time.Unix(2, 0)}},
		Peers:    []status.Peer{{Name: "rs1", Address: "192.0.2.1", ASN: 65000, State: "established", Since: time.Unix(3, 0), Announced: 1}},
		Checks:   []status.Check{{Name: "web/https", Kind: "http", State: "up", Weight: 1, TookMS: 1.5, At: time.Unix(4, 0)}},
		Backends: []status.Backend{{Name: "gobgp", Kind: "bgp", PID: 7, Isolated: true}},
	}
}

// ill is the same host when everything is wrong.
func ill() *status.Status {
	s := well()
	s.VIPs = slices.Clone(s.VIPs)
	s.VIPs[0].State, s.VIPs[0].AnnouncedTo, s.VIPs[0].Health = status.Withdrawn, []string{}, "down"
	s.Peers[0].State = "idle"
	s.Checks[0].State = "broken"
	s.Problems = []status.Problem{{Object: "vip web", Kind: status.Drift, Message: "edited by hand"}}
	return s
}

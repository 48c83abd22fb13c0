package metrics

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/stentor-net/stentor/core/hooks"
	"github.com/stentor-net/stentor/core/reconcile"
	"github.com/stentor-net/stentor/core/status"
)

// source is a daemon that has something of everything.
func source() Source {
	s := &status.Status{
		Version: "1.2.3", Generation: 4, Converged: true,
		VIPs: []status.VIP{
			{Name: "mail", Announce: "2001:db8::/64", Role: "secondary", State: status.Drained, AnnouncedTo: []string{}, Peers: 2},
			{Name: "web", Announce: "203.0.113.10/32", Role: "primary", State: status.Announced, AnnouncedTo: []string{"rs1"}, Peers: 2, OnHost: true, Demoted: true, Penalty: 1500, Since: time.Unix(1700000000, 5e8)},
		},
		Peers:  []status.Peer{{Name: "rs1", Address: "192.0.2.1", ASN: 4200000000, State: "established", Announced: 1, Received: 3, Since: time.Unix(10, 0)}, {Name: "rs2", Address: "2001:db8::1", ASN: 65000, State: "active"}},
		Checks: []status.Check{{Name: "web/https", Kind: "http", State: "broken", TookMS: 12.5, Weight: 3, At: time.Unix(20, 0)}},
		Problems: []status.Problem{{Object: "peer rs2", Message: "a"}, {Object: "peer rs2", Message: "b"},
			{Object: "vip web", Kind: status.Drift, Message: "c"}},
		Backends: []status.Backend{{Name: "gobgp", Kind: "bgp", PID: 7, Isolated: true, Restarts: 2}, {Name: "gobgp", Kind: "bgp", Isolated: true, Peer: "rs2"}},
	}
	return Source{
		Status: func() *status.Status { return s },
		Counts: func() reconcile.Counts {
			return reconcile.Counts{Passes: 9, LastPass: 1500 * time.Microsecond, Calls: map[string]reconcile.Calls{"network": {Applied: 5}, "gobgp": {Applied: 6, Failed: 1}}}
		},
		Hooks: func() []hooks.Stat {
			return []hooks.Stat{{Name: "chat", Queue: 1, Delivered: 2, Failed: 3, Dropped: 4}}
		},
		History: func() (uint64, error) { return 8, errors.New("no space left on device") },
		Version: "1.2.3",
	}
}

// ours are the lines of a scrape with our own figures, without those that are
// constant for the build.
func ours(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	var lines []string
	for _, line := range strings.Split(w.Body.String(), "\n") {
		if strings.HasPrefix(line, "stentor_") && !regexp.MustCompile(`_bucket|_sum|build_info|reload`).MatchString(line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestFigures(t *testing.T) {
	if diff := cmp.Diff(`stentor_backend_isolated{backend="gobgp",kind="bgp",peer=""} 1
stentor_backend_isolated{backend="gobgp",kind="bgp",peer="rs2"} 1
stentor_backend_restarts_total{backend="gobgp",kind="bgp",peer=""} 2
stentor_backend_restarts_total{backend="gobgp",kind="bgp",peer="rs2"} 0
stentor_backend_up{backend="gobgp",kind="bgp",peer=""} 1
stentor_backend_up{backend="gobgp",kind="bgp",peer="rs2"} 0
stentor_check_duration_seconds{check="web/https"} 0.0125
stentor_check_last_result_timestamp_seconds{check="web/https"} 20
stentor_check_state{check="web/https",kind="http",state="broken"} 1
stentor_check_state{check="web/https",kind="http",state="down"} 0
stentor_check_state{check="web/https",kind="http",state="unknown"} 0
stentor_check_state{check="web/https",kind="http",state="up"} 0
stentor_check_weight{check="web/https"} 3
stentor_config_convergence_seconds_count 0
stentor_config_generation 4
stentor_history_lost_events_total 8
stentor_history_writable 0
stentor_hook_delivered_total{hook="chat"} 2
stentor_hook_dropped_total{hook="chat"} 4
stentor_hook_failures_total{hook="chat"} 3
stentor_hook_queue_events{hook="chat"} 1
stentor_peer_announced_prefixes{peer="rs1"} 1
stentor_peer_announced_prefixes{peer="rs2"} 0
stentor_peer_received_prefixes{peer="rs1"} 3
stentor_peer_received_prefixes{peer="rs2"} 0
stentor_peer_state{peer="rs1",state="active"} 0
stentor_peer_state{peer="rs1",state="connect"} 0
stentor_peer_state{peer="rs1",state="established"} 1
stentor_peer_state{peer="rs1",state="idle"} 0
stentor_peer_state{peer="rs1",state="openconfirm"} 0
stentor_peer_state{peer="rs1",state="opensent"} 0
stentor_peer_state{peer="rs2",state="active"} 1
stentor_peer_state{peer="rs2",state="connect"} 0
stentor_peer_state{peer="rs2",state="established"} 0
stentor_peer_state{peer="rs2",state="idle"} 0
stentor_peer_state{peer="rs2",state="openconfirm"} 0
stentor_peer_state{peer="rs2",state="opensent"} 0
stentor_peer_state_since_timestamp_seconds{peer="rs1"} 10
stentor_peer_state_since_timestamp_seconds{peer="rs2"} 0
stentor_peer_up{address="192.0.2.1",asn="4200000000",peer="rs1"} 1
stentor_peer_up{address="2001:db8::1",asn="65000",peer="rs2"} 0
stentor_problems{kind="",object="peer rs2"} 2
stentor_problems{kind="drift",object="vip web"} 1
stentor_reconcile_applies_total{backend="gobgp"} 6
stentor_reconcile_applies_total{backend="network"} 5
stentor_reconcile_converged 1
stentor_reconcile_errors_total{backend="gobgp"} 1
stentor_reconcile_errors_total{backend="network"} 0
stentor_reconcile_last_pass_duration_seconds 0.0015
stentor_reconcile_passes_total 9
stentor_vip_announced{address="2001:db8::/64",role="secondary",vip="mail"} 0
stentor_vip_announced{address="203.0.113.10/32",role="primary",vip="web"} 1
stentor_vip_announced_peers{vip="mail"} 0
stentor_vip_announced_peers{vip="web"} 1
stentor_vip_configured_peers{vip="mail"} 2
stentor_vip_configured_peers{vip="web"} 2
stentor_vip_demoted{vip="mail"} 0
stentor_vip_demoted{vip="web"} 1
stentor_vip_on_host{vip="mail"} 0
stentor_vip_on_host{vip="web"} 1
stentor_vip_penalty{vip="mail"} 0
stentor_vip_penalty{vip="web"} 1500
stentor_vip_state{state="announced",vip="mail"} 0
stentor_vip_state{state="announced",vip="web"} 1
stentor_vip_state{state="drained",vip="mail"} 1
stentor_vip_state{state="drained",vip="web"} 0
stentor_vip_state{state="failed",vip="mail"} 0
stentor_vip_state{state="failed",vip="web"} 0
stentor_vip_state{state="pending",vip="mail"} 0
stentor_vip_state{state="pending",vip="web"} 0
stentor_vip_state{state="withdrawn",vip="mail"} 0
stentor_vip_state{state="withdrawn",vip="web"} 0
stentor_vip_state_since_timestamp_seconds{vip="mail"} 0
stentor_vip_state_since_timestamp_seconds{vip="web"} 1.7000000005e+09
stentor_withdrawal_seconds_count 0
`, ours(t, New(source()))); diff != "" {
		t.Error(diff)
	}
}

// TestBefore: there is something to scrape before the first snapshot.
func TestBefore(t *testing.T) {
	s := source()
	s.Status = func() *status.Status { return nil }
	if text := ours(t, New(s)); !strings.Contains(text, "stentor_reconcile_passes_total 9\n") || strings.Contains(text, "stentor_vip_announced{") {
		t.Errorf("%s", text)
	}
}

// TestNames has Prometheus's own linter judge the names and the help.
func TestNames(t *testing.T) {
	problems, err := testutil.GatherAndLint(New(source()).registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(source())
		began := seconds(time.Now())
		<-time.After(time.Minute)
		check := func(what string, last, at float64) {
			t.Helper()
			if got := testutil.ToFloat64(m.reloads.last); got != last {
				t.Errorf("%s: successful %v", what, got)
			}
			if got := testutil.ToFloat64(m.reloads.at); got != at {
				t.Errorf("%s: at %v, want %v", what, got, at)
			}
		}
		check("the start", 1, began)
		m.Reloaded(errors.New("a mistake"))
		check("a mistake", 0, began)
		m.Reloaded(nil)
		check("a reload", 1, began+60)
	})
}

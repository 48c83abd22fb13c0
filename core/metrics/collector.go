package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/stentor-net/stentor/core/status"
)

// collector turns the newest snapshot into figures at each scrape: what is gone
// from it is gone from the figures.
type collector struct {
	Source
	descs []*prometheus.Desc

	generation, converged, problems                                              gauge
	vipAnnounced, vipState, vipTold, vipPeers, vipOnHost, vipDemoted, vipPenalty gauge
	vipSince                                                                     gauge
	peerUp, peerState, peerAnnounced, peerReceived, peerSince                    gauge
	checkState, checkTook, checkWeight, checkAt                                  gauge
	backendUp, backendIsolated                                                   gauge
	backendRestarts                                                              counter
	lastPass                                                                     gauge
	passes, applied, failed                                                      counter
	hookQueue                                                                    gauge
	hookTold, hookFailed, hookDropped                                            counter
	historyLost                                                                  counter
	historyWritten                                                               gauge
}

// gauge and counter are one figure with its labels' names.
type (
	gauge   struct{ *prometheus.Desc }
	counter struct{ *prometheus.Desc }
)

func newCollector(s Source) *collector {
	c := &collector{Source: s}
	d := func(name, help string, labels ...string) *prometheus.Desc {
		desc := prometheus.NewDesc("stentor_"+name, help, labels, nil)
		c.descs = append(c.descs, desc)
		return desc
	}
	c.generation = gauge{d("config_generation", "The number of the config in force, counted from 1 since the daemon began.")}
	c.converged = gauge{d("reconcile_converged", "Whether host and peers hold what the config wants.")}
	c.problems = gauge{d("problems", "Problems that a person should look at.", "object", "kind")}

	c.vipAnnounced = gauge{d("vip_announced", "Whether this host announces the VIP to at least one peer.", "vip", "address", "role")}
	c.vipState = gauge{d("vip_state", "1 for the state that the VIP is in, 0 for the others.", "vip", "state")}
	c.vipTold = gauge{d("vip_announced_peers", "Peers that were told of the VIP.", "vip")}
	c.vipPeers = gauge{d("vip_configured_peers", "Peers that shall be told of the VIP.", "vip")}
	c.vipOnHost = gauge{d("vip_on_host", "Whether the kernel holds the address.", "vip")}
	c.vipDemoted = gauge{d("vip_demoted", "Whether it is announced less attractively than its role says.", "vip")}
	c.vipPenalty = gauge{d("vip_penalty", "What its flaps have cost so far; halves with time.", "vip")}
	c.vipSince = gauge{d("vip_state_since_timestamp_seconds", "When the VIP entered its state.", "vip")}

	c.peerUp = gauge{d("peer_up", "Whether the session is established.", "peer", "address", "asn")}
	c.peerState = gauge{d("peer_state", "1 for the state that the session is in (RFC 4271), 0 for the others.", "peer", "state")}
	c.peerAnnounced = gauge{d("peer_announced_prefixes", "Prefixes that the peer was told.", "peer")}
	c.peerReceived = gauge{d("peer_received_prefixes", "Routes that the peer sends; all are dropped.", "peer")}
	c.peerSince = gauge{d("peer_state_since_timestamp_seconds", "When the session entered its state.", "peer")}

	c.checkState = gauge{d("check_state", "1 for the state that the check is in, 0 for the others; broken: it can't run.", "check", "kind", "state")}
	c.checkTook = gauge{d("check_duration_seconds", "How long the last result took.", "check")}
	c.checkWeight = gauge{d("check_weight", "What the check brings in now.", "check")}
	c.checkAt = gauge{d("check_last_result_timestamp_seconds", "When the last result came; 0 before the first.", "check")}

	c.backendUp = gauge{d("backend_up", "Whether the backend has a process.", "backend", "kind", "peer")}
	c.backendIsolated = gauge{d("backend_isolated", "Whether the backend runs in a process of its own.", "backend", "kind", "peer")}
	c.backendRestarts = counter{d("backend_restarts_total", "How often the backend's process was started again.", "backend", "kind", "peer")}

	c.passes = counter{d("reconcile_passes_total", "How often the loop looked at everything.")}
	c.lastPass = gauge{d("reconcile_last_pass_duration_seconds", "How long the last look took.")}
	c.applied = counter{d("reconcile_applies_total", "How often a backend was asked for a change, and made it.", "backend")}
	c.failed = counter{d("reconcile_errors_total", "How often a backend failed.", "backend")}

	c.hookQueue = gauge{d("hook_queue_events", "Events that wait for a hook.", "hook")}
	c.hookTold = counter{d("hook_delivered_total", "Events that a hook was told.", "hook")}
	c.hookFailed = counter{d("hook_failures_total", "Events that a hook could not be told.", "hook")}
	c.hookDropped = counter{d("hook_dropped_total", "Events that were dropped, as the hook was too slow.", "hook")}

	c.historyLost = counter{d("history_lost_events_total", "Events that are not in the history, as they could not be written.")}
	c.historyWritten = gauge{d("history_writable", "Whether the history can be written.")}
	return c
}

func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

func (c *collector) Collect(to chan<- prometheus.Metric) {
	if s := c.Status(); s != nil {
		c.status(to, s)
	}
	n := c.Counts()
	c.passes.send(to, float64(n.Passes))
	c.lastPass.send(to, n.LastPass.Seconds())
	for name, calls := range n.Calls {
		c.applied.send(to, float64(calls.Applied), name)
		c.failed.send(to, float64(calls.Failed), name)
	}
	for _, h := range c.Hooks() {
		c.hookQueue.send(to, float64(h.Queue), h.Name)
		c.hookTold.send(to, float64(h.Delivered), h.Name)
		c.hookFailed.send(to, float64(h.Failed), h.Name)
		c.hookDropped.send(to, float64(h.Dropped), h.Name)
	}
	lost, err := c.History()
	c.historyLost.send(to, float64(lost))
	c.historyWritten.send(to, truth(err == nil))
}

func (g gauge) send(to chan<- prometheus.Metric, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(g.Desc, prometheus.GaugeValue, v, labels...)
}

func (c counter) send(to chan<- prometheus.Metric, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(c.Desc, prometheus.CounterValue, v, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (c *collector) status(to chan<- prometheus.Metric, s *status.Status) {
	c.generation.send(to, float64(s.Generation))
	c.converged.send(to, truth(s.Converged))
	for _, p := range countProblems(s.Problems) {
		c.problems.send(to, float64(p.n), p.object, p.kind)
	}
	for i := range s.VIPs {
		c.vip(to, &s.VIPs[i])
	}
	for i := range s.Peers {
		c.peer(to, &s.Peers[i])
	}
	for i := range s.Checks {
		c.check(to, &s.Checks[i])
	}
	for _, b := range s.Backends {
		c.backendUp.send(to, truth(b.PID != 0), b.Name, b.Kind, b.Peer)
		c.backendIsolated.send(to, truth(b.Isolated), b.Name, b.Kind, b.Peer)
		c.backendRestarts.send(to, float64(b.Restarts), b.Name, b.Kind, b.Peer)
	}
}

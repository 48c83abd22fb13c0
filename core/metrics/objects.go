package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// states sends one figure for each state that there is: a state that nothing
// is in now is 0, not absent, so that an alert can look back over it.
func (g gauge) states(to chan<- prometheus.Metric, now string, all []string, labels ...string) {
	for _, s := range all {
		g.send(to, truth(s == now), append(labels[:len(labels):len(labels)], s)...)
	}
}

func vipStates() []string {
	return []string{string(status.Announced), string(status.Withdrawn), string(status.Pending), string(status.Failed), string(status.Drained)}
}

func peerStates() []string {
	return []string{string(plugins.StateIdle), string(plugins.StateConnect), string(plugins.StateActive),
		string(plugins.StateOpenSent), string(plugins.StateOpenConfirm), string(plugins.StateEstablished)}
}

func checkStates() []string {
	return []string{string(health.Up), string(health.Down), string(health.Unknown), string(health.Broken)}
}

func (c *collector) vip(to chan<- prometheus.Metric, v *status.VIP) {
	c.vipAnnounced.send(to, truth(len(v.AnnouncedTo) > 0), v.Name, v.Announce, v.Role)
	c.vipState.states(to, string(v.State), vipStates(), v.Name)
	c.vipTold.send(to, float64(len(v.AnnouncedTo)), v.Name)
	c.vipPeers.send(to, float64(v.Peers), v.Name)
	c.vipOnHost.send(to, truth(v.OnHost), v.Name)
	c.vipDemoted.send(to, truth(v.Demoted), v.Name)
	c.vipPenalty.send(to, float64(v.Penalty), v.Name)
	c.vipSince.send(to, seconds(v.Since), v.Name)
}

func (c *collector) peer(to chan<- prometheus.Metric, p *status.Peer) {
	c.peerUp.send(to, truth(p.State == established), p.Name, p.Address, strconv.FormatUint(uint64(p.ASN), 10))
	c.peerState.states(to, p.State, peerStates(), p.Name)
	c.peerAnnounced.send(to, float64(p.Announced), p.Name)
	c.peerReceived.send(to, float64(p.Received), p.Name)
	c.peerSince.send(to, seconds(p.Since), p.Name)
}

func (c *collector) check(to chan<- prometheus.Metric, k *status.Check) {
	c.checkState.states(to, k.State, checkStates(), k.Name, k.Kind)
	c.checkTook.send(to, k.TookMS/1000, k.Name)
	c.checkWeight.send(to, float64(k.Weight), k.Name)
	c.checkAt.send(to, seconds(k.At), k.Name)
}

// problemCount is how many problems of one kind an object has. One figure for
// each message would be a new series whenever a word changes.
type problemCount struct {
	object, kind string
	n            int
}

func countProblems(problems []status.Problem) []problemCount {
	var all []problemCount
	at := map[[2]string]int{}
	for _, p := range problems {
		key := [2]string{p.Object, p.Kind}
		i, ok := at[key]
		if !ok {
			i = len(all)
			at[key] = i
			all = append(all, problemCount{object: p.Object, kind: p.Kind})
		}
		all[i].n++
	}
	return all
}

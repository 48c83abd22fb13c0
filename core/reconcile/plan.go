package reconcile

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/plugins"
)

// Plan tells what c would change, once its addresses are on the host, with b
// as the speaker.
func (l *Loop) Plan(ctx context.Context, c *config.Config, b plugins.BGPBackend) (network, bgp plugins.Plan, err error) {
	routerID := c.BGP.RouterID
	if !routerID.IsValid() {
		if routerID, err = netip.ParseAddr(l.Status().BGP.RouterID); err != nil {
			return network, bgp, err
		}
	}
	l.mu.Lock()
	known := l.memory
	l.mu.Unlock()
	want := whenPlaced(l.Host.View(), c, routerID, l.Drains, l.health(), known)
	if network, err = l.net.plan(ctx, want.Host); err != nil {
		return network, bgp, err
	}
	l.mu.Lock()
	present, all := l.bgp, l.speakers()
	l.mu.Unlock()
	plan := b.Plan
	for _, s := range all {
		if s.bgp == b {
			plan = s.plan
		}
	}
	bgp, err = plan(ctx, want.Speaker)
	if err == nil && b != present.bgp {
		swap := plugins.Step{Verb: "change", Object: "BGP backend", Diff: fmt.Sprintf("%s -> %s, peer by peer", present.name(), b.Info().Name)}
		bgp.Steps = append([]plugins.Step{swap}, bgp.Steps...)
	}
	return network, bgp, err
}

// PlanFresh tells the same for backends that no loop drives.
func PlanFresh(ctx context.Context, n plugins.NetBackend, b plugins.BGPBackend, c *config.Config, view host.View, drains *DrainStore, derive func(host.View, *config.Config) netip.Addr) (network, bgp plugins.Plan, err error) {
	routerID := c.BGP.RouterID
	if !routerID.IsValid() {
		routerID = derive(view, c)
	}
	want := whenPlaced(view, c, routerID, drains, nil, nil)
	if network, err = n.Plan(ctx, want.Host); err != nil {
		return network, bgp, err
	}
	bgp, err = b.Plan(ctx, want.Speaker)
	return network, bgp, err
}

// whenPlaced is the decision once every VIP of c is on the host. A VIP of which
// nothing is known yet counts as healthy.
func whenPlaced(view host.View, c *config.Config, routerID netip.Addr, drains *DrainStore, results health.View, known Memory) Desired {
	addrs := make(map[netip.Addr][]host.Addr, len(view.Addrs))
	links := make(map[string]host.Link, len(view.Links))
	maps.Copy(addrs, view.Addrs)
	maps.Copy(links, view.Links)
	placed := *c
	placed.VIPs = slices.Clone(c.VIPs)
	for i, v := range placed.VIPs {
		links[v.Link] = host.Link{Name: v.Link, Up: true}
		addrs[v.Addr] = []host.Addr{{Prefix: netip.PrefixFrom(v.Addr, v.Addr.BitLen()), Link: v.Link, Usable: true}}
		if known[v.Name].policy.Health == "" {
			placed.VIPs[i].Checks, placed.VIPs[i].Failover.StartDelay = nil, 0
		}
	}
	view.Addrs, view.Links = addrs, links
	now := time.Now()
	return Desire(Facts{Config: &placed, View: view, RouterID: routerID, Drains: drains.At(now), Health: results, Memory: known, Started: now, Now: now})
}

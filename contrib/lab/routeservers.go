package lab

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/stentor-net/stentor/contrib/lab/rs"
)

// hold is the Hold Time that the route servers offer.
const hold = 9

const bgpPort = 179

// routeServers runs router and route servers in one implementation. The i'th
// route server stands for Options.Peers[i], on the node rsName(i).
type routeServers interface {
	startRouter(ctx context.Context) error
	start(ctx context.Context, i int) error
	stop(ctx context.Context, i int, kill bool) error
	// ready returns when the router listens to all route servers.
	ready(ctx context.Context) error
	routes(ctx context.Context, i int) ([]rs.Route, error)
	sessions(ctx context.Context, i int) ([]rs.Session, error)
	close()
}

func newRouteServers(l *Lab) (routeServers, error) {
	switch l.opts.RouteServers {
	case FRR:
		return newFRR(l)
	case BIRD:
		return newBIRD(l)
	}
	return newEmbedded(l)
}

// hostsOf are the addresses that the hosts reach a peer from: of its own family.
func (l *Lab) hostsOf(peer netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, host := range []string{HostA, HostB} {
		for _, a := range l.Addrs(host) {
			if a.Is4() == peer.Is4() {
				out = append(out, a)
			}
		}
	}
	return out
}

// routerID is the BGP Identifier of the i'th route server.
func routerID(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}) }

// Events are what an embedded route server was told since it started.
func (l *Lab) Events(server string) ([]rs.Event, error) {
	i, err := l.server(server)
	if err != nil {
		return nil, err
	}
	e, ok := l.servers.(*embedded)
	if !ok {
		return nil, fmt.Errorf("lab: only embedded route servers write down events, not %s", l.opts.RouteServers)
	}
	return e.events(i)
}

// sortRoutes orders by prefix, and the best route of each first.
func sortRoutes(routes []rs.Route) {
	slices.SortStableFunc(routes, func(a, b rs.Route) int {
		return cmp.Or(cmp.Compare(a.Prefix.String(), b.Prefix.String()), boolCompare(b.Best, a.Best), a.From.Compare(b.From))
	})
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/stentor-net/stentor/contrib/lab/rs"
)

// embedded runs the route servers in this process, on sockets of their nodes.
type embedded struct {
	lab *Lab
	fib *fib

	mu      sync.Mutex
	servers []*rs.Server // nil where stopped
}

func newEmbedded(l *Lab) (*embedded, error) {
	return &embedded{lab: l, servers: make([]*rs.Server, len(l.opts.Peers))}, nil
}

func (e *embedded) startRouter(context.Context) (err error) {
	e.fib, err = newFIB(e.lab.ns[Router], e.lab.log)
	return err
}

func (e *embedded) start(_ context.Context, i int) error {
	peer, node := e.lab.opts.Peers[i], rsName(i)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.servers[i] != nil {
		return fmt.Errorf("lab: route server %s runs already", node)
	}
	var neighbors []rs.Neighbor
	for _, host := range e.lab.hostsOf(peer.Addr) {
		neighbors = append(neighbors, rs.Neighbor{Addr: host, ASN: e.lab.opts.HostASN})
	}
	var listener net.Listener
	err := e.lab.Do(node, func() (err error) {
		listener, err = rs.Listen(netip.AddrPortFrom(peer.Addr, bgpPort), neighbors, rs.Security{Password: peer.Password, TTLSecurity: peer.TTLSecurity})
		return err
	})
	if err != nil {
		return fmt.Errorf("lab: %s: %w", node, err)
	}
	e.servers[i] = rs.Serve(listener, rs.Config{
		ASN: peer.ASN, ID: routerID(i), Hold: hold * time.Second,
		Neighbors: neighbors,
		Policy:    e.lab.opts.policy(),
		Changed:   func(p netip.Prefix, best *rs.Route) { e.fib.changed(node, p, best) },
		Log:       e.lab.log.With("server", node),
	})
	return nil
}

func (e *embedded) stop(_ context.Context, i int, kill bool) error {
	e.mu.Lock()
	s := e.servers[i]
	e.servers[i] = nil
	e.mu.Unlock()
	switch {
	case s == nil:
	case kill:
		s.Kill()
	default:
		s.Close()
	}
	return nil
}

// ready: the router is told by function calls, from the start.
func (e *embedded) ready(context.Context) error { return nil }

func (e *embedded) server(i int) (*rs.Server, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.servers[i] == nil {
		return nil, fmt.Errorf("lab: route server %s is stopped", rsName(i))
	}
	return e.servers[i], nil
}

func (e *embedded) routes(_ context.Context, i int) ([]rs.Route, error) {
	s, err := e.server(i)
	if err != nil {
		return nil, err
	}
	return s.Routes(), nil
}

func (e *embedded) sessions(_ context.Context, i int) ([]rs.Session, error) {
	s, err := e.server(i)
	if err != nil {
		return nil, err
	}
	return s.Sessions(), nil
}

func (e *embedded) events(i int) ([]rs.Event, error) {
	s, err := e.server(i)
	if err != nil {
		return nil, err
	}
	return s.Events(), nil
}

func (e *embedded) close() {
	for i := range e.servers {
		e.stop(context.Background(), i, false)
	}
	if e.fib != nil {
		e.fib.close()
	}
}

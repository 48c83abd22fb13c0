// Package lab is a small Internet in network namespaces of this machine: two
// hosts that share addresses, the route servers that they announce them to, a
// router that forwards by what these say, and a client that watches who answers.
//
//	client --- router === core === rs1 .. rsN
//	             |  \
//	            a    b
//
// It knows nothing of Stentor's inside: what runs on the hosts is a command
// that the caller gives. With embedded route servers it needs no other program.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/stentor-net/stentor/contrib/lab/internal/netns"
	"github.com/stentor-net/stentor/contrib/lab/probe"
	"github.com/stentor-net/stentor/contrib/lab/rs"
)

// Lab is one lab. Its methods may be called from several goroutines, but for Up and Down.
type Lab struct {
	opts     Options
	topology topology
	log      *slog.Logger
	lock     *os.File
	journal  *os.File // nil when the caller takes the log
	ns       map[string]*netns.Namespace
	starter  *netns.Thread // parent of all processes
	servers  routeServers

	mu        sync.Mutex
	processes []*Process
}

// New makes the lab's folder and takes it for itself; Up does the rest. What a
// lab in the same folder left behind when it crashed is cleaned up first.
func New(opts Options) (*Lab, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	lock, err := takeDir(opts.Dir)
	if err != nil {
		return nil, err
	}
	l := &Lab{opts: opts, log: opts.Log, lock: lock, ns: map[string]*netns.Namespace{}, starter: netns.NewThread()}
	l.topology = newTopology(opts.routeServerAddrs(), opts.Shared)
	if l.log == nil {
		l.journal, err = os.Create(filepath.Join(opts.Dir, "lab.log"))
		if err != nil {
			lock.Close()
			return nil, fmt.Errorf("lab: %w", err)
		}
		l.log = slog.New(slog.NewTextHandler(l.journal, nil))
	}
	return l, nil
}

// Up builds the network and starts router and route servers. It returns when
// they are ready for the hosts; on an error nothing of it is left.
func (l *Lab) Up(ctx context.Context) error {
	err := l.up(ctx)
	if err != nil {
		err = errors.Join(err, l.Down())
	}
	return err
}

func (l *Lab) up(ctx context.Context) error {
	if err := l.remember(); err != nil {
		return err
	}
	inside := l.topology.inside(l.opts.Outside)
	for _, node := range inside.nodes {
		ns, err := netns.Create(l.netnsDir(), l.netnsName(node))
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("lab: network namespace %s exists and is not this lab's; choose another name", l.netnsName(node))
		}
		if err != nil {
			return fmt.Errorf("lab: %w", err)
		}
		l.ns[node] = ns
	}
	if err := wireUp(inside, l.ns); err != nil {
		return err
	}
	if err := settle(ctx, inside, l.ns); err != nil {
		return err
	}
	servers, err := newRouteServers(l)
	if err != nil {
		return err
	}
	l.servers = servers
	if err := l.servers.startRouter(ctx); err != nil {
		return err
	}
	for i := range l.opts.Peers {
		if err := l.servers.start(ctx, i); err != nil {
			return err
		}
	}
	return l.servers.ready(ctx)
}

// Down ends every process in the lab and removes all of it, its folder
// included. To call it again, or without Up, is fine.
func (l *Lab) Down() error {
	if l.lock == nil {
		return nil
	}
	if l.servers != nil {
		l.servers.close()
	}
	for _, ns := range l.ns {
		ns.Close()
	}
	// Down runs when things went wrong too, so no caller's context cuts it short.
	err := sweep(context.Background(), l.opts.Dir)
	for _, p := range l.started() {
		<-p.Done()
	}
	if err == nil {
		err = os.RemoveAll(l.opts.Dir)
	}
	l.starter.Close()
	l.lock.Close()
	l.journal.Close()
	l.lock = nil
	return err
}

// Dir is the lab's folder: configurations, sockets and logs.
func (l *Lab) Dir() string { return l.opts.Dir }

// RouteServers are the names of the route servers' nodes, in the order of Options.Peers.
func (l *Lab) RouteServers() []string {
	var out []string
	for i := range l.opts.Peers {
		out = append(out, rsName(i))
	}
	return out
}

// Nodes are the names of all nodes that something can run on.
func (l *Lab) Nodes() []string { return l.topology.nodes[1:] }

// Addrs are the addresses of a node, in the order in which they were added.
func (l *Lab) Addrs(node string) []netip.Addr {
	var out []netip.Addr
	for _, a := range l.topology.addrs {
		if a.node == node {
			out = append(out, a.prefix.Addr())
		}
	}
	return out
}

// NetNS is the path of a node's network namespace, as nsenter(1) takes it.
func (l *Lab) NetNS(node string) string { return filepath.Join(l.netnsDir(), l.netnsName(node)) }

// Do runs f on a thread in a node's network namespace, as netns.Namespace.Do
// does: sockets that f opens stay in it.
func (l *Lab) Do(node string, f func() error) error {
	ns, ok := l.ns[node]
	if !ok {
		return fmt.Errorf("lab: no node %q", node)
	}
	return ns.Do(f)
}

// Probe pings addr from a node every interval. Hosts are told apart by TTL.
func (l *Lab) Probe(from string, addr netip.Addr, interval time.Duration) (*probe.Probe, error) {
	var p *probe.Probe
	err := l.Do(from, func() (err error) {
		p, err = probe.Start(addr, interval, hostByTTL)
		return err
	})
	return p, err
}

// Routes are a route server's accepted routes, by prefix, the best one first.
func (l *Lab) Routes(ctx context.Context, server string) ([]rs.Route, error) {
	i, err := l.server(server)
	if err != nil {
		return nil, err
	}
	return l.servers.routes(ctx, i)
}

// Sessions are a route server's sessions with the hosts. BIRD does not tell how
// often one came up, nor count messages: see birdSession.
func (l *Lab) Sessions(ctx context.Context, server string) ([]rs.Session, error) {
	i, err := l.server(server)
	if err != nil {
		return nil, err
	}
	return l.servers.sessions(ctx, i)
}

// StartRouteServer starts one that was stopped, with empty tables.
func (l *Lab) StartRouteServer(ctx context.Context, server string) error {
	i, err := l.server(server)
	if err != nil {
		return err
	}
	return l.servers.start(ctx, i)
}

// StopRouteServer stops one: in good order, with a Cease to the hosts; or with
// kill as a crash does.
func (l *Lab) StopRouteServer(ctx context.Context, server string, kill bool) error {
	i, err := l.server(server)
	if err != nil {
		return err
	}
	return l.servers.stop(ctx, i, kill)
}

func (l *Lab) server(name string) (int, error) {
	for i := range l.opts.Peers {
		if rsName(i) == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("lab: no route server %q; there are %v", name, l.RouteServers())
}

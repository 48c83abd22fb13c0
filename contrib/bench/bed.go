package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

const (
	dcid     = 10
	numPeers = 4
	// settle bounds the wait for anything that takes a speaker some seconds.
	settle = 40 * time.Second
)

// The addresses that are announced: from the benchmarking range (RFC 2544) and
// the documentation range (RFC 3849).
var (
	range4  = netip.MustParsePrefix("198.18.0.0/15")
	prefix6 = netip.MustParsePrefix("2001:db8:5a:1::/64")
)

// maxVIPs is how many VIPs fit in one config file of 1 MiB.
const maxVIPs = 15000

// The two Linode roles, as communities (RFC 1997).
const (
	primary   = 65000<<16 | 1
	secondary = 65000<<16 | 2
)

// prefixes are n prefixes to announce: an IPv4 one, an IPv6 one, and as many
// IPv4 ones as it takes.
func prefixes(n int) []netip.Prefix {
	a := range4.Addr().Next()
	out := []netip.Prefix{netip.PrefixFrom(a, 32), prefix6}
	for len(out) < n {
		a = a.Next()
		out = append(out, netip.PrefixFrom(a, 32))
	}
	return out
}

// bed is where everything is measured: a lab whose route servers are silent,
// and peers that record in their place.
type bed struct {
	lab     *lab.Lab
	servers []plugins.Peer
}

// newBed builds the network in namespaces NAME-NODE. What an earlier one of the
// same name that crashed had left is cleaned up by that.
func newBed(ctx context.Context, name string) (*bed, error) {
	o := lab.Linode(dcid, numPeers)
	o.Name, o.Dir = name, "/run/stentor-"+name
	l, err := lab.New(o)
	if err != nil {
		return nil, err
	}
	if err := l.Up(ctx); err != nil {
		return nil, err
	}
	for _, server := range l.RouteServers() {
		if err := l.StopRouteServer(ctx, server, false); err != nil {
			return nil, errors.Join(err, l.Down())
		}
	}
	return &bed{lab: l, servers: o.Peers}, nil
}

func (b *bed) close() error { return b.lab.Down() }

// listen starts a peer in place of each route server.
func (b *bed) listen() (peers, error) {
	var all peers
	for i := range b.servers {
		p, err := b.listenAs(i, 0)
		if err != nil {
			all.close()
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// listenAs starts one peer, which sends routes once its session is up.
func (b *bed) listenAs(i, routes int) (*bgppeer.Peer, error) {
	var p *bgppeer.Peer
	err := b.lab.Do(b.lab.RouteServers()[i], func() (err error) {
		p, err = bgppeer.Start(bgppeer.Config{
			Listen:   netip.AddrPortFrom(b.servers[i].Addr, 179),
			ASN:      b.servers[i].ASN,
			RouterID: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}),
			Routes:   routes,
		})
		return err
	})
	return p, err
}

// source is the host's own address of the sessions.
func (b *bed) source() netip.Addr {
	for _, a := range b.lab.Addrs(lab.HostA) {
		if a.Is6() {
			return a
		}
	}
	return netip.Addr{}
}

// routerID is the host's own IPv4 address.
func (b *bed) routerID() netip.Addr {
	for _, a := range b.lab.Addrs(lab.HostA) {
		if a.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// host runs a command on the host to its end.
func (b *bed) host(ctx context.Context, argv ...string) ([]byte, error) {
	return b.lab.Output(ctx, lab.HostA, argv...)
}

// fresh gives an empty folder on a host without shared addresses: each start
// is the first one.
func (b *bed) fresh(ctx context.Context, name string) (string, error) {
	if _, err := b.host(ctx, "ip", "-4", "addr", "flush", "dev", "lo", "to", range4.String()); err != nil {
		return "", err
	}
	if _, err := b.host(ctx, "ip", "-6", "addr", "flush", "dev", "lo", "to", prefix6.String()); err != nil {
		return "", err
	}
	dir := filepath.Join(b.lab.Dir(), name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// running is a speaker's processes, in the order of their start.
type running struct {
	began     time.Time
	processes []*lab.Process
}

// start runs one more command on the host for r.
func (b *bed) start(r *running, name string, argv []string, env ...string) error {
	if r.began.IsZero() {
		r.began = time.Now()
	}
	p, err := b.lab.Start(lab.HostA, name, argv, env...)
	if err != nil {
		return err
	}
	r.processes = append(r.processes, p)
	return nil
}

// alive gives a context that ends as soon as a process does: a speaker that
// refuses its configuration need not be waited for.
func (r *running) alive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	for _, p := range r.processes {
		go func() {
			select {
			case <-p.Done():
				cancel(fmt.Errorf("%s has ended", p.Name))
			case <-ctx.Done():
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

// tail tells what the processes said last, for an error.
func (r *running) tail(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	for _, p := range r.processes {
		err = fmt.Errorf("%w\nlog of %s:\n%s", err, p.Name, p.Tail(10))
	}
	return err
}

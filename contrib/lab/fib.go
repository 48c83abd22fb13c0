package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/contrib/lab/internal/netns"
	"github.com/stentor-net/stentor/contrib/lab/rs"
)

// fib is the router's half of iBGP with the embedded route servers: of the
// best paths that they give, it has the best one in the router's kernel, next
// hop unchanged. No session runs for it, as all of them live in this process.
type fib struct {
	handle *netlink.Handle
	log    *slog.Logger

	mu    sync.Mutex
	paths map[netip.Prefix]map[string]rs.Route // by route server
	now   map[netip.Prefix]netip.Addr          // next hop that is installed
}

func newFIB(router *netns.Namespace, log *slog.Logger) (*fib, error) {
	h, err := handle(router)
	if err != nil {
		return nil, err
	}
	return &fib{handle: h, log: log, paths: map[netip.Prefix]map[string]rs.Route{}, now: map[netip.Prefix]netip.Addr{}}, nil
}

func (f *fib) close() { f.handle.Close() }

// changed takes a route server's new best path of a prefix; nil is none.
func (f *fib) changed(server string, prefix netip.Prefix, best *rs.Route) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.paths[prefix] == nil {
		f.paths[prefix] = map[string]rs.Route{}
	}
	if best == nil {
		delete(f.paths[prefix], server)
	} else {
		f.paths[prefix][server] = *best
	}
	if err := f.install(prefix); err != nil {
		f.log.Error("router: install route", "prefix", prefix, "error", err)
	}
}

func (f *fib) install(prefix netip.Prefix) error {
	var paths []rs.Route
	for _, p := range f.paths[prefix] {
		paths = append(paths, p)
	}
	if len(paths) == 0 {
		old, ok := f.now[prefix]
		if !ok {
			return nil
		}
		delete(f.now, prefix)
		f.log.Info("router: route gone", "prefix", prefix, "next_hop", old)
		err := f.handle.RouteDel(&netlink.Route{Dst: ipNet(prefix), Protocol: unix.RTPROT_BGP})
		if errors.Is(err, unix.ESRCH) {
			return nil // the kernel took it away with its link
		}
		return err
	}
	nextHop := slices.MinFunc(paths, rs.Prefer).NextHop
	if f.now[prefix] == nextHop {
		return nil
	}
	direct, err := f.handle.RouteGet(nextHop.AsSlice())
	if err != nil || len(direct) == 0 {
		return fmt.Errorf("next hop %s is not reachable: %w", nextHop, err)
	}
	r := kernelRoute(prefix, nextHop, direct[0].LinkIndex)
	r.Protocol = unix.RTPROT_BGP
	if err := f.handle.RouteReplace(r); err != nil {
		return err
	}
	f.log.Info("router: route", "prefix", prefix, "next_hop", nextHop)
	f.now[prefix] = nextHop
	return nil
}

package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// readTimeout bounds Read on a host whose addresses never stop changing.
const readTimeout = 10 * time.Second

// Host follows the kernel. Its methods may be called from any goroutine.
type Host struct {
	asks   *requester   // links and addresses
	events *eventSocket // the same

	// Routes have sockets of their own: a router that loads a full table sends
	// a million events, and none of them may push out the one that says that
	// an address has gone.
	routeAsks   *requester
	routeEvents *eventSocket
	recheck     chan struct{} // look at the default routes again

	ready   chan struct{}
	changed chan struct{}

	mu     sync.Mutex
	table  *table
	cached *View // nil when the table moved on
}

// Open starts to listen in the network namespace of the calling OS thread; Run
// reads and follows. Nothing is missed in between.
func Open() (*Host, error) {
	h := &Host{
		recheck: make(chan struct{}, 1),
		ready:   make(chan struct{}),
		changed: make(chan struct{}, 1),
		table:   newTable(),
	}
	var err error
	if h.events, err = subscribe(unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR); err != nil {
		return nil, err
	}
	if h.routeEvents, err = subscribe(unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE); err == nil {
		if h.asks, err = openRequester(); err == nil {
			h.routeAsks, err = openRequester()
		}
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *Host) close() {
	for _, s := range []*eventSocket{h.events, h.routeEvents} {
		if s != nil {
			s.close()
		}
	}
	for _, r := range []*requester{h.asks, h.routeAsks} {
		if r != nil {
			r.close()
		}
	}
}

// Run follows the kernel until ctx ends, and then returns nil and frees what
// Open took. Any other return means that the View is no longer kept.
func (h *Host) Run(ctx context.Context) error {
	defer h.close()
	if err := errors.Join(h.readTable(ctx), h.readUplinks(ctx)); err != nil {
		return ifAlive(ctx, err)
	}
	close(h.ready)

	g, gctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(gctx, func() {
		h.events.interrupt()
		h.routeEvents.interrupt()
	})
	defer stop()
	g.Go(func() error { return h.followTable(gctx) })
	g.Go(h.hearRoutes)
	g.Go(func() error { return h.followUplinks(gctx) })
	return ifAlive(ctx, g.Wait())
}

func ifAlive(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("follow the kernel's addresses: %w", err)
}

// Ready is closed when the first View is there.
func (h *Host) Ready() <-chan struct{} { return h.ready }

// Changed gets a value when the View is another one than before; many changes
// may come as one value.
func (h *Host) Changed() <-chan struct{} { return h.changed }

// View is what the kernel said last; empty until Ready. It costs a copy of the
// table only when that has changed since the last call.
func (h *Host) View() View {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cached == nil {
		v := h.table.view()
		h.cached = &v
	}
	return *h.cached
}

// update runs change on the table and tells watchers when it did something.
func (h *Host) update(change func(t *table) bool) {
	h.mu.Lock()
	changed := change(h.table)
	if changed {
		h.cached = nil
	}
	h.mu.Unlock()
	if changed {
		signal(h.changed)
	}
}

// signal leaves a value in a channel of capacity 1.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Read looks once, without following.
func Read() (View, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	r, err := openRequester()
	if err != nil {
		return View{}, err
	}
	defer r.close()
	t, err := r.table(ctx)
	if err != nil {
		return View{}, err
	}
	if t.uplinks, err = r.uplinks(ctx); err != nil {
		return View{}, err
	}
	return t.view(), nil
}

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

const (
	// maxFlood is how many routes bgppeer has numbers for.
	maxFlood = 1 << 20
	// floodWatch is longer than the Hold Time of 9 s: a daemon that chokes on
	// the routes has lost the session by then.
	floodWatch = 10 * time.Second
)

// flood has one peer come back with n routes of its own, none of which the
// daemon has a use for.
func flood(ctx context.Context, b *bed, t *table, s *stentor, n int) error {
	run, _, err := begin(ctx, b, s, 2, settle)
	if err != nil {
		return err
	}
	defer run.end(ctx)
	if err := pause(ctx, quiet); err != nil {
		return err
	}
	before, err := run.usage()
	if err != nil {
		return err
	}
	routesBefore, err := b.kernelRoutes(ctx)
	if err != nil {
		return err
	}

	run.peers[0].Close()
	loud, err := b.listenAs(0, n)
	if err != nil {
		return err
	}
	run.peers[0] = loud
	if _, err := run.peers[:1].all(ctx, settle, "the session again", func() matcher {
		return func(e bgppeer.Event) bool { return e.Kind == bgppeer.Established }
	}); err != nil {
		return run.tail(err)
	}
	if err := pause(ctx, floodWatch); err != nil {
		return err
	}

	after, err := run.usage()
	if err != nil {
		return err
	}
	routesAfter, err := b.kernelRoutes(ctx)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d routes from a peer: ", n)
	t.set(s.name(), what+"RSS", mb, change(mb, before.rss, after.rss))
	t.set(s.name(), what+"highest RSS", mb, one(after.peak))
	t.set(s.name(), what+"CPU used for them", ticks, one(float64(after.ticks-before.ticks)))
	t.set(s.name(), what+"sessions lost", count, one(float64(run.peers.count(time.Time{}, closed))))
	kernel := "unchanged"
	if routesBefore != routesAfter {
		kernel = "CHANGED"
	}
	t.set(s.name(), what+"kernel routes", count, words("%s", kernel))
	return nil
}

// kernelRoutes lists every route of the host, in all tables.
func (b *bed) kernelRoutes(ctx context.Context) (string, error) {
	var all string
	for _, family := range []string{"-4", "-6"} {
		out, err := b.host(ctx, "ip", family, "route", "show", "table", "all")
		if err != nil {
			return "", err
		}
		all += string(out)
	}
	return all, nil
}

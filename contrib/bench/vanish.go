package main

import (
	"context"
	"time"
)

// holdDown is stentor's default: for so long a missing address may come back
// before its route is withdrawn.
const holdDown = 500 * time.Millisecond

// vanish measures what becomes of an address that somebody takes off the host.
func vanish(ctx context.Context, b *bed, t *table, s *stentor, runs int) error {
	run, _, err := begin(ctx, b, s, 2, settle)
	if err != nil {
		return err
	}
	defer run.end(ctx)
	route := prefixes(2)[0]
	var withdrawn, back figure
	for range runs {
		if err := pause(ctx, quiet); err != nil {
			return err
		}
		began := time.Now()
		if _, err := b.host(ctx, "ip", "addr", "del", route.String(), "dev", "lo"); err != nil {
			return err
		}
		gone, err := run.peers.all(ctx, settle, "the withdrawal", func() matcher { return since(began, withdraws(route)) })
		if err != nil {
			return run.tail(err)
		}
		withdrawn.time(gone.Sub(began) - holdDown)
		there, err := run.peers.all(ctx, settle, "the route again", func() matcher { return announcedAgain(began, route) })
		if err != nil {
			return run.tail(err)
		}
		back.time(there.Sub(began))
	}
	t.set(s.name(), "address deleted by hand to withdrawn, beyond hold_down", ms, withdrawn)
	t.set(s.name(), "address deleted by hand to announced again", ms, back)
	return nil
}

package main

import (
	"context"
	"fmt"
	"time"
)

// idle measures a daemon that has nothing to do but keep its sessions.
func idle(ctx context.Context, b *bed, t *table, s *stentor, length time.Duration) error {
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
	began := time.Now()
	if err := pause(ctx, length); err != nil {
		return err
	}
	after, err := run.usage()
	if err != nil {
		return err
	}
	t.set(s.name(), fmt.Sprintf("RSS idle, %d peers and 2 VIPs", numPeers), mb, one(after.rss))
	t.set(s.name(), fmt.Sprintf("CPU used idle in %s", length), ticks, one(float64(after.ticks-before.ticks)))
	t.set(s.name(), "threads idle", count, one(float64(after.threads)))
	t.set(s.name(), "UPDATEs while idle", count, one(float64(run.peers.count(began, update))))
	return nil
}

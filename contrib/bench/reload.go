package main

import (
	"context"
	"fmt"
	"time"
)

// quiet is how long peers are listened to for something that must not come.
const quiet = time.Second

// pause waits for d.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// reload measures one without any change, and one that changes a role.
func reload(ctx context.Context, b *bed, t *table, s *stentor, runs int) error {
	run, _, err := begin(ctx, b, s, 2, settle)
	if err != nil {
		return err
	}
	defer run.end(ctx)
	if err := pause(ctx, quiet); err != nil {
		return err
	}

	var same figure
	at := time.Now()
	for range runs {
		took, err := s.verb(ctx, "reload")
		if err != nil {
			return run.tail(err)
		}
		same.time(took)
	}
	if err := pause(ctx, quiet); err != nil {
		return err
	}
	t.set(s.name(), "reload with no change", ms, same)
	t.set(s.name(), "reload with no change: UPDATEs", count, one(float64(run.peers.count(at, update))))

	var changed, updates figure
	announce := prefixes(2)
	at = time.Now()
	for i := range runs {
		role, community := "secondary", uint32(secondary)
		if i%2 == 1 {
			role, community = "primary", primary
		}
		if err := s.configure(announce, role); err != nil {
			return err
		}
		began := time.Now()
		if _, err := s.verb(ctx, "reload"); err != nil {
			return run.tail(err)
		}
		last, err := run.peers.all(ctx, settle, "the role "+role, func() matcher { return since(began, announcesAs(announce[0], community)) })
		if err != nil {
			return run.tail(err)
		}
		changed.time(last.Sub(began))
		if err := pause(ctx, quiet/4); err != nil {
			return err
		}
		updates.add(float64(run.peers.count(began, update)))
	}
	t.set(s.name(), fmt.Sprintf("reload with a changed role to all %d peers", numPeers), ms, changed)
	t.set(s.name(), "reload with a changed role: UPDATEs in all", count, updates)
	t.set(s.name(), "reload with a changed role: withdrawals", count, one(float64(run.peers.count(at, withdrawing))))
	t.set(s.name(), "sessions lost by all those reloads", count, one(float64(run.peers.count(time.Time{}, closed))))
	return nil
}

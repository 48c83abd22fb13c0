package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The bounds of the wait for many routes. Some speakers take minutes, which
// nobody wants to wait for; stentor's figure is needed however bad it is.
const (
	scaleLimit        = 30 * time.Second
	scaleLimitStentor = time.Minute
)

// scale measures another speaker with n prefixes. One that does not get there
// in time has that said of it, as a figure.
func scale(ctx context.Context, b *bed, t *table, s speaker, n int) error {
	run, err := scaled(ctx, b, t, s, n, scaleLimit)
	var late *tooLate
	if errors.As(err, &late) {
		t.set(s.name(), rowScaleStart(n), ms, words("%s", late))
		return nil
	}
	if err != nil {
		return err
	}
	run.end(ctx)
	return nil
}

// scaleStentor measures the same of stentor, which has the addresses to put on
// the host besides, and how it is to work with then.
func scaleStentor(ctx context.Context, b *bed, t *table, s *stentor, o options) error {
	run, err := scaled(ctx, b, t, s, o.vips, scaleLimitStentor)
	if err != nil {
		return err
	}
	defer run.end(ctx)
	for _, verb := range []string{"status", "reload"} {
		var took figure
		for range o.runs {
			d, err := s.verb(ctx, verb)
			if err != nil {
				return run.tail(err)
			}
			took.time(d)
		}
		t.set(s.name(), fmt.Sprintf("stentor %s with %d VIPs", verb, o.vips), ms, took)
	}
	used, err := run.usage()
	if err != nil {
		return err
	}
	t.set(s.name(), fmt.Sprintf("RSS with %d VIPs after that", o.vips), mb, one(used.rss))
	t.set(s.name(), fmt.Sprintf("sessions lost with %d VIPs", o.vips), count, one(float64(run.peers.count(time.Time{}, closed))))
	return restart(ctx, b, t, s, run, o.vips)
}

// restart ends the daemon and starts it again, with its addresses on the host:
// what announcing them takes by itself, as for the other speakers.
func restart(ctx context.Context, b *bed, t *table, s *stentor, old *session, n int) error {
	var gone, back figure
	_, took, err := old.stop(ctx)
	if err != nil {
		return err
	}
	gone.time(took)
	for _, p := range old.processes {
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	old.peers.close()
	run, all, err := again(ctx, b, s, n, scaleLimitStentor)
	if err != nil {
		return err
	}
	defer run.end(ctx)
	back.time(all.Sub(run.began))
	used, err := run.usage()
	if err != nil {
		return err
	}
	t.set(s.name(), fmt.Sprintf("SIGTERM to none of %d routes at any peer", n), ms, gone)
	t.set(s.name(), rowScaleStart(n)+", restarted", ms, back)
	t.set(s.name(), fmt.Sprintf("CPU used for these %d routes, restarted", n), ticks, one(float64(used.ticks)))
	return nil
}

func rowScaleStart(n int) string {
	return fmt.Sprintf("start to %d routes at all %d peers", n, numPeers)
}

// scaled starts a speaker on n prefixes; it keeps running if there is no error.
func scaled(ctx context.Context, b *bed, t *table, s speaker, n int, limit time.Duration) (*session, error) {
	run, all, err := begin(ctx, b, s, n, limit)
	if err != nil {
		return nil, err
	}
	used, err := run.usage()
	if err != nil {
		run.end(ctx)
		return nil, err
	}
	var took figure
	took.time(all.Sub(run.began))
	t.set(s.name(), rowScaleStart(n), ms, took)
	t.set(s.name(), fmt.Sprintf("UPDATEs for these %d routes, in all", n), count, one(float64(run.peers.count(time.Time{}, update))))
	t.set(s.name(), fmt.Sprintf("CPU used for these %d routes", n), ticks, one(float64(used.ticks)))
	t.set(s.name(), fmt.Sprintf("RSS with %d routes, right after", n), mb, one(used.rss))
	return run, nil
}

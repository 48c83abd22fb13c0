package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// churn looks for what grows with each reload and with each drain.
func churn(ctx context.Context, b *bed, t *table, s *stentor, n int) error {
	run, _, err := begin(ctx, b, s, 2, settle)
	if err != nil {
		return err
	}
	defer run.end(ctx)
	c := s.client()
	defer c.CloseIdleConnections()

	announce, roles := prefixes(2), []string{"secondary", "primary"}
	err = grown(ctx, t, run, c, s.name(), fmt.Sprintf("%d reloads with a changed role", n), func(i int) error {
		if err := s.configure(announce, roles[i%2]); err != nil {
			return err
		}
		var done daemonStatus
		if err := post(ctx, c, "/v1/reload", "", &done); err != nil {
			return err
		}
		return get(ctx, c, fmt.Sprintf("/v1/status?converged=%d&wait=%s", done.Generation, settle), &done)
	}, n)
	if err != nil {
		return run.tail(err)
	}
	err = grown(ctx, t, run, c, s.name(), fmt.Sprintf("%d drains, each taken back", n), func(int) error {
		var done struct{}
		if err := post(ctx, c, "/v1/drain", fmt.Sprintf(`{"vips": [%q]}`, firstVIP), &done); err != nil {
			return err
		}
		return post(ctx, c, "/v1/undrain", fmt.Sprintf(`{"vips": [%q]}`, firstVIP), &done)
	}, n)
	if err != nil {
		return run.tail(err)
	}
	if _, err := run.peers.all(ctx, settle, "2 routes", func() matcher { return holding(2) }); err != nil {
		return run.tail(err)
	}
	t.set(s.name(), "sessions lost by all that", count, one(float64(run.peers.count(time.Time{}, closed))))
	return nil
}

// grown does something n times, and compares what the daemon takes before and after.
func grown(ctx context.Context, t *table, run *session, c *http.Client, col, what string, do func(i int) error, n int) error {
	measure := func() (usage, error) {
		c.CloseIdleConnections() // ours would count as its file descriptor
		if err := pause(ctx, quiet); err != nil {
			return usage{}, err
		}
		return run.usage()
	}
	before, err := measure()
	if err != nil {
		return err
	}
	began := time.Now()
	for i := range n {
		if err := do(i); err != nil {
			return err
		}
	}
	each := float64(time.Since(began)) / float64(time.Millisecond) / float64(n)
	after, err := measure()
	if err != nil {
		return err
	}
	t.set(col, what+": each", ms, one(each))
	t.set(col, what+": file descriptors", count, change(count, float64(before.fds), float64(after.fds)))
	t.set(col, what+": threads", count, change(count, float64(before.threads), float64(after.threads)))
	t.set(col, what+": RSS", mb, change(mb, before.rss, after.rss))
	return nil
}

package main

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// session is a speaker that runs, and the peers that it talks to.
type session struct {
	*running
	peers peers
}

// begin starts a speaker for the first time, on n prefixes, and waits until all
// peers hold them.
func begin(ctx context.Context, b *bed, s speaker, n int, limit time.Duration) (*session, time.Time, error) {
	if err := s.prepare(ctx, prefixes(n)); err != nil {
		return nil, time.Time{}, err
	}
	return again(ctx, b, s, n, limit)
}

// again is begin for a speaker that ran before, on what it left.
func again(ctx context.Context, b *bed, s speaker, n int, limit time.Duration) (*session, time.Time, error) {
	p, err := b.listen()
	if err != nil {
		return nil, time.Time{}, err
	}
	r, err := s.start(ctx)
	run := &session{r, p}
	if err != nil {
		run.end(ctx)
		return nil, time.Time{}, err
	}
	waiting, stop := r.alive(ctx)
	defer stop()
	all, err := p.all(waiting, limit, fmt.Sprintf("%d routes", n), func() matcher { return holding(n) })
	if err != nil {
		err = r.tail(err)
		run.end(ctx)
		return nil, time.Time{}, err
	}
	return run, all, nil
}

// end makes sure that the processes are gone, however they are.
func (s *session) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, p := range s.processes {
		p.Kill(ctx)
	}
	s.peers.close()
}

// signal sends sig to every process, the one that was started last first.
func (s *session) signal(sig syscall.Signal) (time.Time, error) {
	at := time.Now()
	for i := range s.processes {
		if err := s.processes[len(s.processes)-1-i].Signal(sig); err != nil {
			return at, err
		}
	}
	return at, nil
}

// stop asks the speaker to end, and tells when it did and how long it took
// until no peer had a route of it.
func (s *session) stop(ctx context.Context) (at time.Time, took time.Duration, err error) {
	at, err = s.signal(syscall.SIGTERM)
	if err != nil {
		return at, 0, err
	}
	last, err := s.peers.all(ctx, settle, "the routes go", func() matcher { return empty(at) })
	return at, last.Sub(at), s.tail(err)
}

// startStop measures the way from the start of the program to the routes at
// the peers, and the way back.
func startStop(ctx context.Context, b *bed, t *table, s speaker, runs int) error {
	var first, all, gone, rss figure
	var goodbyes tally
	for range runs {
		err := func() error {
			run, seen, err := begin(ctx, b, s, 2, settle)
			if err != nil {
				return err
			}
			defer run.end(ctx)
			first.time(run.peers.first(announcing).Sub(run.began))
			all.time(seen.Sub(run.began))
			used, err := run.usage()
			if err != nil {
				return err
			}
			rss.add(used.rss)
			at, took, err := run.stop(ctx)
			if err != nil {
				return err
			}
			gone.time(took)
			if _, err := run.peers.all(ctx, settle, "the end of the session", func() matcher { return closed }); err != nil {
				return run.tail(err)
			}
			for _, p := range run.peers {
				goodbyes.add(goodbye(p.Events(), at))
			}
			return nil
		}()
		if err != nil {
			return err
		}
	}
	t.set(s.name(), "start to first UPDATE", ms, first)
	t.set(s.name(), fmt.Sprintf("start to 2 routes at all %d peers", numPeers), ms, all)
	t.set(s.name(), "RSS right after", mb, rss)
	t.set(s.name(), "SIGTERM to no route at any peer", ms, gone)
	t.set(s.name(), "what each peer was told then", count, goodbyes.figure())
	return nil
}

// kill measures how long the peers take to know of a crash.
func kill(ctx context.Context, b *bed, t *table, s speaker, runs int) error {
	var gone figure
	for range runs {
		err := func() error {
			run, _, err := begin(ctx, b, s, 2, settle)
			if err != nil {
				return err
			}
			defer run.end(ctx)
			at, err := run.signal(syscall.SIGKILL)
			if err != nil {
				return err
			}
			last, err := run.peers.all(ctx, settle, "the end of the session", func() matcher { return closed })
			if err != nil {
				return err
			}
			gone.time(last.Sub(at))
			return nil
		}()
		if err != nil {
			return err
		}
	}
	t.set(s.name(), "kill -9 to all sessions closed", ms, gone)
	return nil
}

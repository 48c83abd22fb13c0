package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// speaking is what those processes take that speak BGP: of stentor the one that
// it has for that, of others all.
func speaking(s speaker, run *session) (usage, error) {
	if _, ours := s.(*stentor); !ours {
		return run.usage()
	}
	pids, err := withChildren(run.processes[0].Pid())
	if err != nil {
		return usage{}, err
	}
	if len(pids) != 2 {
		return usage{}, fmt.Errorf("the daemon has %d processes beside its own, want one", len(pids)-1)
	}
	return usageOf(pids[1])
}

// calm is how long a speaker has after its start until it counts as idle.
const calm = 15 * time.Second

// idleSpeaker measures a speaker that has nothing to do but keep its sessions.
func idleSpeaker(ctx context.Context, b *bed, t *table, s speaker, length time.Duration) error {
	run, _, err := begin(ctx, b, s, 2, settle)
	if err != nil {
		return err
	}
	defer run.end(ctx)
	if err := pause(ctx, calm); err != nil {
		return err
	}
	before, err := speaking(s, run)
	if err != nil {
		return err
	}
	if err := pause(ctx, length); err != nil {
		return err
	}
	after, err := speaking(s, run)
	if err != nil {
		return err
	}
	t.set(s.name(), "RSS of the speaker, idle", mb, one(after.rss))
	t.set(s.name(), "of that not shared with others", mb, one(after.own))
	t.set(s.name(), fmt.Sprintf("CPU of the speaker, idle for %s", length), ticks, one(float64(after.ticks-before.ticks)))
	return nil
}

// reset has each peer end its session with a Cease, one after the other.
func reset(ctx context.Context, b *bed, t *table, s speaker) error {
	row := "session reset to announced again"
	run, _, err := begin(ctx, b, s, 2, settle)
	if err != nil {
		return err
	}
	defer run.end(ctx)
	const adminReset = 4 // RFC 4486 §3
	var took figure
	for i := range run.peers {
		if err := pause(ctx, quiet); err != nil {
			return err
		}
		at := time.Now()
		run.peers[i].Hangup(bgppeer.Cease(adminReset, ""))
		back, err := run.peers[i:i+1].all(ctx, settle, "the routes again", func() matcher { return since(at, announcing) })
		var late *tooLate
		if errors.As(err, &late) {
			t.set(s.name(), row, ms, words("%s", late))
			return nil
		}
		if err != nil {
			return run.tail(err)
		}
		took.time(back.Sub(at))
	}
	t.set(s.name(), row, ms, took)
	return nil
}

// drown has one peer come back with n routes of its own, none of which the
// speaker has a use for. It comes back without them before: what a new session
// takes is told apart from what the routes take.
func drown(ctx context.Context, b *bed, t *table, s speaker, n int) error {
	run, _, err := begin(ctx, b, s, 2, settle)
	if err != nil {
		return err
	}
	defer run.end(ctx)
	if err := pause(ctx, calm); err != nil {
		return err
	}
	before, err := speaking(s, run)
	if err != nil {
		return err
	}
	back := func(routes int) (u usage, err error) {
		run.peers[0].Close()
		if run.peers[0], err = b.listenAs(0, routes); err != nil {
			return u, err
		}
		established := func() matcher { return func(e bgppeer.Event) bool { return e.Kind == bgppeer.Established } }
		if _, err := run.peers[:1].all(ctx, settle, "the session again", established); err != nil {
			return u, run.tail(err)
		}
		if err := pause(ctx, floodWatch); err != nil {
			return u, err
		}
		return speaking(s, run)
	}
	without, err := back(0)
	if err != nil {
		return err
	}
	after, err := back(n)
	if err != nil {
		return err
	}
	t.set(s.name(), "a peer that comes back: RSS of the speaker", mb, change(mb, before.rss, without.rss))
	what := fmt.Sprintf("%d routes from a peer: ", n)
	t.set(s.name(), what+"RSS of the speaker", mb, change(mb, without.rss, after.rss))
	t.set(s.name(), what+"of that not shared with others", mb, change(mb, without.own, after.own))
	t.set(s.name(), what+"CPU", ticks, one(float64(after.ticks-without.ticks)))
	t.set(s.name(), what+"sessions lost", count, one(float64(run.peers.count(time.Time{}, closed))))
	return nil
}

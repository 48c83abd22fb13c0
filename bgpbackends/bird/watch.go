package bird

import (
	"context"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

const (
	// lookEvery is how often a running BIRD is asked for its sessions: it has
	// no events for them (log messages can be mirrored to a control socket, but
	// a session that comes up is logged only under debug).
	lookEvery = time.Second
	// Some seconds long after a change it is asked more often. This is for BIRD
	// rather than for us: 2.0.12 hands a new session its routes only when something
	// wakes it up, and sleeps for up to 3 s (io_loop in sysdep/unix/io.c).
	stirEvery = 100 * time.Millisecond
	stirFor   = 5 * time.Second
	// knockEvery is how often a BIRD that is not there is looked for.
	knockEvery = 250 * time.Millisecond
)

// Watch holds a connection to BIRD, whose end tells within milliseconds that
// BIRD is gone, and asks once a second for the sessions.
func (b *Backend) Watch(ctx context.Context, changed func(plugins.Change)) error {
	there := true
	for ctx.Err() == nil {
		s, err := dial(ctx, b.socket)
		if err != nil {
			if there && ctx.Err() == nil {
				there = false
				changed(plugins.Change{Why: "BIRD does not answer"})
			}
			pause(ctx, knockEvery)
			continue
		}
		if !there {
			there = true
			changed(b.returned(ctx, s))
		}
		b.follow(ctx, s, changed)
		s.close()
		if ctx.Err() == nil {
			there = false
			changed(plugins.Change{Why: "BIRD's control socket was closed: BIRD has stopped or restarts"})
		}
	}
	return nil
}

// returned tells whether a BIRD that is back has read our file.
func (b *Backend) returned(ctx context.Context, s *session) plugins.Change {
	running, err := s.revision(ctx)
	return plugins.Change{Why: "BIRD is back", Lost: err == nil && b.lost(running)}
}

// lost tells whether BIRD, which runs that revision of ours, has lost it.
func (b *Backend) lost(running string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return running == "" && b.want.asn != 0
}

// follow reports what changes in the sessions until the connection ends.
func (b *Backend) follow(ctx context.Context, s *session, changed func(plugins.Change)) {
	last, moved, revision := map[string]string{}, time.Now(), ""
	for round := 0; ctx.Err() == nil; round++ {
		protocols, err := s.protocols(ctx)
		if err != nil {
			return
		}
		running, err := s.revision(ctx)
		if err != nil {
			return
		}
		if round > 0 && running != revision {
			changed(plugins.Change{Why: "BIRD runs another configuration of ours", Lost: b.lost(running)})
		}
		revision = running
		now := map[string]string{}
		for _, p := range protocols {
			now[p.name] = p.state + " " + p.bgpState + " " + p.since
			if round > 0 && now[p.name] != last[p.name] {
				moved = time.Now()
				changed(plugins.Change{Object: strings.TrimPrefix(p.name, ours+"peer_"), Why: strings.TrimSpace(p.name + " is " + p.state + " " + p.info)})
			}
		}
		last = now
		if !s.idle(ctx, b.pace(moved)) {
			return
		}
	}
}

// pace is how long to wait after a look at the sessions, which last moved then.
func (b *Backend) pace(moved time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(moved) < stirFor || time.Since(b.stirred) < stirFor {
		return stirEvery
	}
	return lookEvery
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

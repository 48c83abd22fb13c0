package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/stentor-net/stentor/contrib/lab/span"
	"github.com/stentor-net/stentor/plugins"
)

// farSpeaker is a speaker behind a path that is cut.
type farSpeaker struct {
	name string
	make func(*span.Span, span.Options) (span.Speaker, error)
}

func farSpeakers() []farSpeaker {
	var all []farSpeaker
	if found(bgpdPath) {
		all = append(all, farSpeaker{"FRR", span.NewFRR})
	}
	if found("bird") {
		all = append(all, farSpeaker{"BIRD", span.NewBIRD})
	}
	return all
}

// notice is a way to learn of a cut.
type notice struct {
	name string
	bfd  *plugins.BFD
	hold time.Duration
	runs int
}

// severed is the native speaker with a far one over a path that can be cut.
type severed struct {
	span    *span.Span
	far     span.Speaker
	backend plugins.BGPBackend
	want    plugins.Speaker
}

// cut measures how long after a silent cut the far speaker has the route from
// none of its sessions, and whether BFD bears a host under load.
func cut(ctx context.Context, t *table, column string, far farSpeaker, o options) error {
	fast := &plugins.BFD{TX: 300 * time.Millisecond, RX: 300 * time.Millisecond, Multiplier: 3}
	for _, n := range []notice{
		{"BFD 300 ms x 3", fast, 9 * time.Second, o.cuts},
		{"Hold Time 3 s", nil, 3 * time.Second, 3},
		{"Hold Time 9 s", nil, 9 * time.Second, 2},
	} {
		err := func() (err error) {
			s, err := sever(ctx, far, n)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			if n.bfd != nil {
				if err := s.load(ctx, t, column, far, o.load); err != nil {
					return err
				}
			}
			var near, away figure
			for range n.runs {
				oneHop, multihop, err := s.cut(ctx)
				if err != nil {
					return err
				}
				near.time(oneHop)
				away.time(multihop)
			}
			t.set(column, fmt.Sprintf("silent cut to no route at %s, %s", far.name, n.name), ms, near)
			t.set(column, fmt.Sprintf("the same over several hops, %s, %s", far.name, n.name), ms, away)
			return nil
		}()
		if err != nil {
			return err
		}
	}
	return nil
}

func sever(ctx context.Context, far farSpeaker, n notice) (s *severed, err error) {
	dir, err := os.MkdirTemp("", "cut")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // FRR's own user must be able to enter it
		return nil, err
	}
	s = &severed{want: plugins.Speaker{ASN: span.NearASN, RouterID: span.RouterID, Peers: span.Peers()}}
	for i := range s.want.Peers {
		p := &s.want.Peers[i]
		p.BFD, p.Hold, p.Keepalive, p.ConnectRetry = n.bfd, n.hold, n.hold/3, time.Second
	}
	s.want.Announcements = []plugins.Announcement{{VIP: firstVIP, Prefix: route()}}
	if s.span, err = span.New(fmt.Sprintf("cut%d", os.Getpid()), dir); err != nil {
		return nil, err
	}
	if s.far, err = far.make(s.span, span.Options{BFD: n.bfd}); err == nil {
		err = s.far.Start(ctx)
	}
	if err == nil {
		s.backend, err = openBackend(ctx, "native", s.span.NetNS(), "")
	}
	if err == nil {
		err = s.backend.Apply(ctx, s.want)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func route() netip.Prefix { return prefixes(2)[0] }

func (s *severed) close() error {
	var all error
	if s.backend != nil {
		all = s.backend.Close()
	}
	if s.far != nil {
		all = errors.Join(all, s.far.Close())
	}
	return errors.Join(all, s.span.Close(), os.RemoveAll(s.span.Dir()))
}

// settled waits until all is up.
func (s *severed) settled(ctx context.Context) error {
	return until(ctx, "all sessions", func() (bool, error) {
		from, err := s.far.Holds(ctx, route())
		if err != nil || len(from) != len(s.want.Peers) {
			return false, err
		}
		now, err := s.backend.Observe(ctx)
		if err != nil {
			return false, err
		}
		for i, p := range now.Peers {
			if s.want.Peers[i].BFD != nil && (p.BFD == nil || p.BFD.State != "up") {
				return false, nil
			}
		}
		return true, nil
	})
}

// cut gives how long the far speaker has the route from peers one hop away, and
// from those that may be several hops away.
func (s *severed) cut(ctx context.Context) (oneHop, multihop time.Duration, err error) {
	if err := s.settled(ctx); err != nil {
		return 0, 0, err
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := s.span.Cut(); err != nil {
		return 0, 0, err
	}
	err = until(ctx, "the route to go", func() (bool, error) {
		from, err := s.far.Holds(ctx, route())
		if err != nil {
			return false, err
		}
		away := 0
		for _, p := range s.want.Peers {
			if slices.Contains(from, p.LocalAddr) { // those over several hops have one
				away++
			}
		}
		if multihop == 0 && away == 0 {
			multihop = time.Since(began)
		}
		if oneHop == 0 && len(from) == away {
			oneHop = time.Since(began)
		}
		return len(from) == 0, nil
	})
	return oneHop, multihop, errors.Join(err, s.span.Heal())
}

// load keeps every CPU busy, and counts what that costs.
func (s *severed) load(ctx context.Context, t *table, column string, far farSpeaker, length time.Duration) error {
	if err := s.settled(ctx); err != nil {
		return err
	}
	before, err := s.backend.Observe(ctx)
	if err != nil {
		return err
	}
	for range runtime.NumCPU() {
		busy := exec.Command("sh", "-c", "while :; do :; done")
		busy.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := busy.Start(); err != nil {
			return err
		}
		defer busy.Wait()
		defer busy.Process.Kill()
	}
	if err := pause(ctx, length); err != nil {
		return err
	}
	after, err := s.backend.Observe(ctx)
	if err != nil {
		return err
	}
	lost, late := 0, time.Duration(0)
	for i, p := range after.Peers {
		if !p.BFD.Since.Equal(before.Peers[i].BFD.Since) {
			lost++
		}
		late = max(late, p.BFD.Late)
	}
	t.set(column, fmt.Sprintf("BFD sessions lost to %s in %s with all CPUs busy", far.name, length), count, one(float64(lost)))
	t.set(column, fmt.Sprintf("latest timer towards %s then", far.name), ms, one(float64(late)/float64(time.Millisecond)))
	return nil
}

// until polls.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settle, &tooLate{settle})
	defer cancel()
	for {
		ok, err := done()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx)), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

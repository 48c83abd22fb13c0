package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
)

const (
	starts = 20   // a start is short, and the scheduler has a say in it
	calls  = 1000 // so is a call
)

// isolation measures what it costs that the speaker has a process of its own.
// The speaker is called without the rest of Stentor around it, and its one peer
// is not there: what is measured is the way to it.
func isolation(ctx context.Context, t *table, apart, here *stentor, o options) error {
	for _, s := range []*stentor{apart, here} {
		if err := s.speakerAlone(ctx, t, o); err != nil {
			return err
		}
		if err := s.memory(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// speakerAlone opens the speaker as core does, again and again.
func (s *stentor) speakerAlone(ctx context.Context, t *table, o options) error {
	var start, call, apply figure
	for range starts {
		began := time.Now()
		b, err := s.open(ctx)
		if err != nil {
			return err
		}
		start.time(time.Since(began))
		if err := b.Close(); err != nil {
			return err
		}
	}
	want := speakerOf(prefixes(o.vips))
	for range o.runs {
		err := func() error {
			b, err := s.open(ctx)
			if err != nil {
				return err
			}
			defer b.Close()
			began := time.Now()
			if err := b.Apply(ctx, want); err != nil {
				return err
			}
			apply.time(time.Since(began))
			for range max(calls/o.runs, 1) {
				began := time.Now()
				if _, err := b.Observe(ctx); err != nil {
					return err
				}
				call.add(float64(time.Since(began)) / float64(time.Microsecond))
			}
			return nil
		}()
		if err != nil {
			return err
		}
	}
	t.set(s.name(), "the speaker alone: open", ms, start)
	t.set(s.name(), "the speaker alone: one call", us, call)
	t.set(s.name(), fmt.Sprintf("the speaker alone: Apply of %d announcements", o.vips), ms, apply)
	return nil
}

// open gives the speaker, configured, in its process or in this one.
func (s *stentor) open(ctx context.Context) (b plugins.BGPBackend, err error) {
	log := slog.New(slog.DiscardHandler)
	builtins := bgpbackends.Builtin(log)
	b = builtins[slices.IndexFunc(builtins, func(b plugins.BGPBackend) bool { return b.Info().Name == string(s.backend) })]
	if !s.inside {
		// Without capabilities as core's, but not as another user, who may have no
		// way to the program where that lies.
		p := host.Own(b.Info(), "plugin-serve", string(plugins.KindBGP), string(s.backend)).Confined(host.Account{})
		p.Path = s.binary
		if b, err = host.OpenBGP(ctx, host.Options{Log: log}, p); err != nil {
			return nil, err
		}
	}
	return b, b.Configure(ctx, plugins.Config{StateDir: os.TempDir()})
}

// speakerOf announces prefixes to a peer on this machine that is not there.
func speakerOf(announce []netip.Prefix) plugins.Speaker {
	want := plugins.Speaker{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.7"), Peers: []plugins.Peer{{
		Name: "absent", Addr: netip.MustParseAddr("127.0.0.1"), ASN: 65000, Hold: 9 * time.Second, Keepalive: 3 * time.Second, ConnectRetry: 5 * time.Second,
	}}}
	for i, p := range announce {
		want.Announcements = append(want.Announcements, plugins.Announcement{VIP: fmt.Sprintf("v%d", i), Prefix: p, Communities: []plugins.Community{primary}})
	}
	return want
}

// memory is what the daemon and the speaker's process take, with two routes at
// all peers.
func (s *stentor) memory(ctx context.Context, t *table) error {
	run, _, err := begin(ctx, s.bed, s, 2, settle)
	if err != nil {
		return err
	}
	defer run.end(ctx)
	pids, err := withChildren(run.processes[0].Pid())
	if err != nil {
		return err
	}
	for i, row := range []string{"RSS of the daemon", "RSS of the speaker's process"} {
		if i == len(pids) {
			t.set(s.name(), row, mb, words("none"))
			break
		}
		used, err := usageOf(pids[i])
		if err != nil {
			return err
		}
		t.set(s.name(), row, mb, one(used.rss))
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// serveArg has this program be the process of the backend that the next
// argument names, as the daemon runs it.
const serveArg = "plugin-serve"

func builtin(name string, log *slog.Logger) (plugins.BGPBackend, error) {
	for _, b := range bgpbackends.Builtin(log) {
		if b.Info().Name == name {
			return b, nil
		}
	}
	return nil, fmt.Errorf("no built-in BGP backend is called %q", name)
}

// serve is the main function of such a process.
func serve(name string) error {
	if _, err := builtin(name, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	plugins.ServeBGP(func(log *slog.Logger) plugins.BGPBackend {
		b, _ := builtin(name, log) // it is there
		return b
	})
	return nil
}

// openBackend starts a backend's process in a network namespace.
func openBackend(ctx context.Context, name, netns, dir string) (plugins.BGPBackend, error) {
	none := slog.New(slog.DiscardHandler)
	b, err := builtin(name, none)
	if err != nil {
		return nil, err
	}
	p := host.Own(b.Info(), serveArg, name).Confined(host.LeastAccount())
	apart, err := host.OpenBGP(ctx, host.Options{NetNS: netns, RunDir: dir, Log: none}, p)
	if err != nil {
		return nil, err // and no nil *host.BGP
	}
	return apart, apart.Configure(ctx, plugins.Config{StateDir: dir})
}

// applied measures what the speaker alone takes for n announcements, with
// sessions that are up: how long after Apply all peers have them.
func applied(ctx context.Context, b *bed, t *table, s *stentor, n, runs int) error {
	var announce, change figure
	for range runs {
		if err := applyOnce(ctx, b, s, n, &announce, &change); err != nil {
			return err
		}
	}
	t.set(s.name(), fmt.Sprintf("%d announcements to all %d peers", n, numPeers), ms, announce)
	t.set(s.name(), fmt.Sprintf("role change of these %d at all %d peers", n, numPeers), ms, change)
	return nil
}

func applyOnce(ctx context.Context, b *bed, s *stentor, n int, announce, change *figure) error {
	dir, err := b.fresh(ctx, "backend")
	if err != nil {
		return err
	}
	far, err := b.listen()
	if err != nil {
		return err
	}
	defer far.close()
	backend, err := openBackend(ctx, string(s.backend), b.lab.NetNS(lab.HostA), dir)
	if err != nil {
		return err
	}
	defer backend.Close()
	want := plugins.Speaker{ASN: 65001, RouterID: b.routerID(), Peers: slices.Clone(b.servers)}
	for i := range want.Peers {
		p := &want.Peers[i]
		p.Hold, p.Keepalive, p.ConnectRetry = 9*time.Second, 3*time.Second, time.Second
	}
	if err := backend.Apply(ctx, want); err != nil {
		return err
	}
	established := func() matcher { return func(e bgppeer.Event) bool { return e.Kind == bgppeer.Established } }
	if _, err := far.all(ctx, settle, "the sessions", established); err != nil {
		return err
	}
	for _, step := range []struct {
		community uint32
		took      *figure
	}{{primary, announce}, {secondary, change}} {
		want.Announcements = nil
		for _, p := range prefixes(n) {
			want.Announcements = append(want.Announcements, plugins.Announcement{VIP: p.String(), Prefix: p, Communities: []plugins.Community{plugins.Community(step.community)}})
		}
		began := time.Now()
		applied := make(chan error, 1)
		go func() { applied <- backend.Apply(ctx, want) }()
		last, err := far.all(ctx, settle, "the announcements", func() matcher { return announcedAll(n, step.community) })
		if err != nil {
			return err
		}
		step.took.time(last.Sub(began))
		if err := <-applied; err != nil {
			return err
		}
	}
	return nil
}

// announcedAll matches when n prefixes were announced with a community.
func announcedAll(n int, community uint32) matcher {
	seen := map[netip.Prefix]bool{}
	return func(e bgppeer.Event) bool {
		if announcing(e) && slices.Contains(e.Update.Communities, community) {
			for _, p := range e.Update.Announced {
				seen[p] = true
			}
		}
		return len(seen) >= n
	}
}

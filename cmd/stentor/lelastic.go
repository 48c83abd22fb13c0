package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/daemon"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/migrate"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/netbackends/asis"
	"github.com/stentor-net/stentor/plugins"
)

// asLelastic tells whether this program was called by lelastic's name, to take
// its place. Lelastic has flags alone: with a verb it is stentor all the same,
// as when it is to guard or serve a backend under the name of its file.
func asLelastic(argv []string) bool {
	return filepath.Base(argv[0]) == "lelastic" && (len(argv) == 1 || strings.HasPrefix(argv[1], "-"))
}

// lelastic announces what lelastic's flags say, until SIGTERM. The control
// socket is stentor's: its verbs show what is going on.
func lelastic(args []string, stdout, stderr io.Writer) int {
	flags, err := migrate.ParseLelastic(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		fmt.Fprintln(stderr, "lelastic:", err)
		return exitUsage
	case flags.Version:
		fmt.Fprintf(stdout, "lelastic, by stentor %s\n", version())
		return exitDone
	}
	log := lelasticLog(flags, stderr)
	state := filepath.Join(env("STENTOR_STATE_DIR", defaultStateDir), "lelastic")
	o := registry.Options{StateDir: state, Serve: []string{serveVerb}}
	o.Plugins.Log = log
	reg := registry.New([]plugins.NetBackend{asis.New()}, bgpbackends.Builtin(log), o)
	ctx, hurry, hups, stop := signals(context.Background())
	defer stop()
	s := &standIn{flags: flags, registry: reg, log: log, told: map[migrate.LeftOut]bool{}}
	kernel, err := host.Open()
	if err != nil {
		log.Error("can't follow the addresses of this host", "error", err)
		return exitFailed
	}
	following, done := context.WithCancel(ctx)
	reloads := make(chan os.Signal, 1)
	var tasks sync.WaitGroup
	tasks.Go(func() {
		if err := kernel.Run(following); err != nil {
			log.Error("lost sight of the addresses of this host: those that come now are not announced before SIGHUP", "error", err)
		}
	})
	tasks.Go(func() { s.follow(following, kernel, hups, reloads) })
	err = daemon.Run(ctx, daemon.Options{
		Read: s.read, Socket: env("STENTOR_SOCKET", defaultSocket), StateDir: state,
		Version: version(), Registry: reg, Log: log, Guard: noTrial,
	}, hurry, reloads)
	done()
	tasks.Wait()
	if err != nil {
		log.Error("ended", "error", err)
		return exitCode(err, true)
	}
	return exitDone
}

func noTrial(context.Context) error {
	return errors.New("there is no config file to go back to: lelastic's flags are the config")
}

// lelasticLog writes as lelastic does: to stderr, levels in lower case.
func lelasticLog(l migrate.Lelastic, w io.Writer) *slog.Logger {
	levels := map[string]slog.Level{"trace": slog.LevelDebug, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn}
	level, known := levels[l.LogLevel]
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.LevelKey && len(groups) == 0 {
			a.Value = slog.StringValue(strings.Replace(strings.ToLower(a.Value.String()), "warn", "warning", 1))
		}
		return a
	}}
	log := slog.New(slog.NewTextHandler(w, o))
	if l.LogJSON {
		log = slog.New(slog.NewJSONHandler(w, o))
	}
	if !known {
		log.Warn("unknown log level, taking info; there are trace, debug, info and warn", "loglevel", l.LogLevel)
	}
	return log
}

// standIn makes a config of lelastic's flags and the addresses of the host.
type standIn struct {
	flags    migrate.Lelastic
	registry *registry.Registry
	log      *slog.Logger

	mu    sync.Mutex
	known []migrate.Found
	told  map[migrate.LeftOut]bool
}

// follow asks for a reload when an address is there that is not in the config.
// One that goes stays in it: it is withdrawn, and announced again when it is
// back. SIGHUP reads all anew, and forgets what is gone.
func (s *standIn) follow(ctx context.Context, kernel *host.Host, hups <-chan os.Signal, reloads chan<- os.Signal) {
	for {
		var why os.Signal = newAddress{}
		select {
		case <-ctx.Done():
			return
		case why = <-hups:
			s.mu.Lock()
			s.known = nil
			s.mu.Unlock()
		case <-kernel.Changed():
			if !s.news(kernel.View()) {
				continue
			}
		}
		select {
		case reloads <- why:
		default: // one is waiting, and will see this too
		}
	}
}

// newAddress asks for a reload as SIGHUP does.
type newAddress struct{}

func (newAddress) String() string { return "new address" }
func (newAddress) Signal()        {}

func (s *standIn) news(view host.View) bool {
	found, _ := s.flags.Find(view, lelasticSource(s.flags))
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(found, func(f migrate.Found) bool { return !slices.Contains(s.known, f) })
}

// read gives the config for the host as it is now.
func (s *standIn) read() (*config.Config, []config.Finding, error) {
	found, left, err := lelasticFinds(s.flags)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell(found, left)
	for _, k := range s.known {
		if !slices.ContainsFunc(found, func(f migrate.Found) bool { return f.Prefix == k.Prefix }) {
			found = append(found, k)
		}
	}
	text, err := s.flags.Config("its command line", found, nil)
	if err != nil {
		return nil, nil, err
	}
	text = fmt.Appendf(text, "\n[network]\nbackend = %q\n", asis.Name)
	cfg, findings, err := config.LoadTexts([]config.File{{Path: "lelastic", Text: string(text)}}, daemon.LoadOptions(s.registry, false))
	if err != nil {
		return nil, nil, err
	}
	for i := range cfg.VIPs {
		// A range stands as whatever address of it was given to the host, also
		// the very first one.
		j := slices.IndexFunc(found, func(f migrate.Found) bool { return f.Prefix == cfg.VIPs[i].Prefix })
		cfg.VIPs[i].Addr = found[j].Addr
	}
	s.known = found
	return cfg, findings, nil
}

// tell logs what is not announced, and once.
func (s *standIn) tell(found []migrate.Found, left []migrate.LeftOut) {
	for _, l := range left {
		if !s.told[l] {
			s.told[l] = true
			s.log.Warn("an address is left out", "address", l.Stands, "link", l.Link, "why", l.Why)
		}
	}
	if len(found) == 0 {
		s.log.Warn("no shared IP stands on this host yet; it is announced as soon as it does")
	}
}

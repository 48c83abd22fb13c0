package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"syscall"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/contrib/lab/conformance"
	"github.com/stentor-net/stentor/netbackends"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// suite is a backend and how it is opened.
type suite struct {
	info     plugins.Info
	settings map[string]any
	opts     host.Options
	// program is what runs it in a process; nil: it is built in, and runs here.
	program  *host.Program
	manifest *plugins.Manifest // nil if it is built in
	// around is what a built-in BGP backend has around it, as the daemon that it
	// drives. A plugin starts its own.
	around plugintest.BGP
	log    *slog.Logger
}

// suite finds the backend that a person means.
func (v verification) suite(a *app, what string) (*suite, error) {
	s := &suite{opts: v.options(), log: slog.New(slog.DiscardHandler)}
	if v.verbose {
		s.log = a.logger(slog.LevelDebug, false)
	}
	s.opts.Log = s.log
	for _, b := range netbackends.Builtin(s.log) {
		if b.Info().Name == what {
			s.info = b.Info()
		}
	}
	for _, b := range bgpbackends.Builtin(s.log) {
		if b.Info().Name == what {
			s.info = b.Info()
		}
	}
	if s.info.Name == "" {
		p, err := v.program(what)
		if err != nil {
			return nil, err
		}
		s.info, s.program, s.manifest = p.Info(), &p, &p.Manifest
		return s, nil
	}
	// Those that keep files have them where the host has its own.
	if s.info.Has(plugins.CapPersist) && !v.here {
		return nil, refused{fmt.Errorf("%s changes files and services of the host itself: run it on a host to throw away, with --here", what)}
	}
	if s.info.Kind == plugins.KindBGP {
		var err error
		if s.around, err = conformance.Around(what); err != nil {
			return nil, refused{err}
		}
	}
	// In this process, a speaker would speak where all of this process is.
	speaksItself := s.info.Kind == plugins.KindBGP && s.around.Daemon == nil
	if v.isolated || speaksItself {
		p := host.Own(s.info, serveVerb, string(s.info.Kind), s.info.Name)
		if s.info.Has(plugins.CapUnprivileged) {
			p = p.Confined(host.LeastAccount())
		}
		s.program = &p
	}
	return s, nil
}

// process is the backend's program for the suite.
func (s *suite) process() (*plugintest.Program, error) {
	if s.program == nil {
		return nil, nil
	}
	p := &plugintest.Program{Path: s.program.Path, Args: s.program.Args, Manifest: s.manifest}
	if s.manifest == nil {
		var err error
		if p.Path, err = os.Executable(); err != nil { // a shell in between has another /proc/self/exe
			return nil, err
		}
	}
	return p, nil
}

func (s *suite) net(ctx context.Context, v verification, program *plugintest.Program, report func(plugintest.Result)) (bool, error) {
	under := plugintest.Net{Settings: s.settings, Dirs: v.folders, Cases: v.cases, Program: program, Slowness: v.slowness}
	o := s.opts
	if !v.here {
		space, err := plugintest.NewNetHost()
		if err != nil {
			return false, err
		}
		defer space.Close()
		under.Inside, o.NetNS = space.Do, space.NetNS()
	}
	under.Open = func() (plugins.NetBackend, error) {
		if s.program == nil {
			return builtin(netbackends.Builtin(s.log), s.info.Name), nil
		}
		b, err := host.OpenNet(ctx, o, *s.program)
		if err != nil {
			return nil, err // and no nil *host.Net
		}
		return b, nil
	}
	return plugintest.RunNet(ctx, under, report), ctx.Err()
}

func (s *suite) bgp(ctx context.Context, v verification, program *plugintest.Program, report func(plugintest.Result)) (bool, error) {
	under := s.around
	under.Cases, under.Program, under.Here = v.cases, program, false
	under.Settings, under.Except = s.bgpSettings, maps.Clone(under.Except)
	for _, c := range v.except {
		if under.Except == nil {
			under.Except = map[string]string{}
		}
		under.Except[c] = "known, says --except"
	}
	if s.program == nil {
		under.Open = func(*plugintest.BGPHost) (plugins.BGPBackend, error) {
			return builtin(bgpbackends.Builtin(s.log), s.info.Name), nil
		}
		return plugintest.RunBGP(ctx, under, report)
	}
	under.Open = func(h *plugintest.BGPHost) (plugins.BGPBackend, error) {
		o := s.opts
		o.NetNS = h.NetNS()
		b, err := host.OpenBGP(ctx, o, *s.program)
		if err != nil {
			return nil, err // and no nil *host.BGP
		}
		return b, nil
	}
	under.Kill = func(b plugins.BGPBackend) error { return syscall.Kill(b.(*host.BGP).State().PID, syscall.SIGKILL) }
	under.PID = func(b plugins.BGPBackend) int { return b.(*host.BGP).State().PID }
	return plugintest.RunBGP(ctx, under, report)
}

// bgpSettings are what the person gave, and where the daemon of the case is.
func (s *suite) bgpSettings(h *plugintest.BGPHost) map[string]any {
	all := map[string]any{}
	maps.Copy(all, s.settings)
	if s.around.Settings != nil {
		maps.Copy(all, s.around.Settings(h))
	}
	return all
}

// builtin gives a backend that is there.
func builtin[B plugins.Backend](all []B, name string) B {
	return all[slices.IndexFunc(all, called[B](name))]
}

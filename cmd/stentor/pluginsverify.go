package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/netbackends"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// verification is what plugins verify is asked for.
type verification struct {
	*pluginFlags
	settings string
	cases    []string
	folders  []string
	isolated bool
	here     bool
	verbose  bool
	alone    bool // this process has a network namespace to itself
}

func (a *app) pluginsVerify(f *pluginFlags) *cobra.Command {
	v := verification{pluginFlags: f}
	c := a.jsonFlag(&cobra.Command{
		Use:   "verify PATH|NAME",
		Short: "Run the conformance suite against a backend",
		Long: `Hold a backend to the promises of the plugin contract, in network namespaces
that vanish afterwards: a plugin by its path or name, or a built-in one.

Exit code 0: all promises are kept; 4: some are not; 1: it could not be run;
3: it is refused.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return a.runVerify(ctx, v, args[0])
		},
	})
	fl := c.Flags()
	fl.StringVar(&v.settings, "settings", "", "`FILE` with its [backend.NAME] table")
	fl.StringSliceVar(&v.cases, "cases", nil, "only these `CASES`, parted by commas")
	fl.StringArrayVar(&v.folders, "folder", nil, "`DIR` where a network backend keeps files: no trace may stay there")
	fl.BoolVar(&v.isolated, "isolated", false, "a built-in backend in a process of its own")
	fl.BoolVar(&v.verbose, "verbose", false, "show what the backend logs, on stderr")
	fl.BoolVar(&v.alone, aloneFlag, false, "")
	_ = fl.MarkHidden(aloneFlag) // it is there
	fl.BoolVar(&v.here, "here", false, "a network backend on this host itself, which must be one to throw away")
	return c
}

// aloneFlag tells a process that verify started it in a network namespace.
const aloneFlag = "alone"

func (a *app) runVerify(ctx context.Context, v verification, what string) error {
	s, err := v.suite(a, what)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("the suite makes network namespaces: run it as root")
	}
	if s.program == nil && s.info.Kind == plugins.KindBGP && !v.alone {
		return a.verifyAlone(ctx, v, what)
	}
	if v.settings != "" {
		all, err := config.ReadBackends(v.settings)
		if err != nil {
			return err
		}
		table, ok := all[s.info.Name]
		if !ok {
			return usage("%s has no table [backend.%s]", v.settings, s.info.Name)
		}
		s.settings = table
	}
	program, err := s.process()
	if err != nil {
		return err
	}
	run, known := s.bgp, plugintest.BGP{Program: program}.Names()
	if s.info.Kind == plugins.KindNet {
		run, known = s.net, plugintest.Net{Program: program}.Names()
	}
	for _, c := range v.cases {
		if !slices.Contains(known, c) {
			return usage("there is no case %q; there are: %s", c, strings.Join(known, " "))
		}
	}
	r := &verified{Name: s.info.Name, Kind: s.info.Kind, Version: s.info.Version, API: s.info.API, Results: []verdict{}}
	began := time.Now()
	r.Kept, err = run(ctx, v, program, func(result plugintest.Result) {
		r.add(result)
		if !a.json {
			r.writeLast(a.out)
		}
	})
	r.Seconds = time.Since(began).Seconds()
	switch {
	case err != nil:
		return err
	case a.json:
		err = control.Encode(a.out, r)
	default:
		r.writeSum(a.out)
	}
	if err == nil && !r.Kept {
		return errNo
	}
	return err
}

// verifyAlone has another process do it, with a network namespace to itself: a
// speaker in the process that tests it works where all of that process is.
func (a *app) verifyAlone(ctx context.Context, v verification, what string) error {
	args := []string{"plugins", "verify", what, "--" + aloneFlag, "--settings", v.settings, "--cases", strings.Join(v.cases, ",")}
	for flag, set := range map[string]bool{"--json": a.json, "--verbose": v.verbose} {
		if set {
			args = append(args, flag)
		}
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Args[0] = "stentor"
	cmd.Stdout, cmd.Stderr = a.out, a.talk
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	// The signal comes with the end of the thread that started it (prctl(2)).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == exitNo:
		return errNo
	case errors.As(err, &exit) && exit.ExitCode() == exitUsage:
		return usageError{errSaid}
	case errors.As(err, &exit) && ctx.Err() == nil:
		return errSaid
	}
	return err
}

// suite is a backend and how it is opened.
type suite struct {
	info     plugins.Info
	settings map[string]any
	opts     host.Options
	// program is what runs it in a process; nil: it is built in, and runs here.
	program  *host.Program
	manifest *plugins.Manifest // nil if it is built in
	log      *slog.Logger
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
	if v.isolated {
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
	under := plugintest.Net{Settings: s.settings, Dirs: v.folders, Cases: v.cases, Program: program}
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
	under := plugintest.BGP{Cases: v.cases, Program: program, Settings: func(*plugintest.BGPHost) map[string]any { return s.settings }}
	if s.program == nil {
		under.Here = true
		under.Open = func(*plugintest.BGPHost) (plugins.BGPBackend, error) {
			return builtin(bgpbackends.Builtin(s.log), s.info.Name), nil
		}
		return plugintest.RunBGP(ctx, under, report)
	}
	under.Open = func(h *plugintest.BGPHost) (plugins.BGPBackend, error) {
		o := s.opts
		o.NetNS, o.RunDir = h.NetNS(), h.Dir
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

// builtin gives a backend that is there.
func builtin[B plugins.Backend](all []B, name string) B {
	return all[slices.IndexFunc(all, called[B](name))]
}

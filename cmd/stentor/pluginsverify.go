package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// verification is what plugins verify is asked for.
type verification struct {
	*pluginFlags
	settings string
	cases    []string
	except   []string
	folders  []string
	isolated bool
	slowness int
	here     bool
	verbose  bool
}

func (a *app) pluginsVerify(f *pluginFlags) *cobra.Command {
	v := verification{pluginFlags: f}
	c := a.jsonFlag(&cobra.Command{
		Use:   "verify PATH|NAME",
		Short: "Run the conformance suite against a backend",
		Long: `Hold a backend to the promises of the plugin contract, in network namespaces
that vanish afterwards: a plugin by its path or name, or a built-in one. What a
built-in one drives, as frr and bird, is started there if it is installed.

Exit code 0: all promises are kept; 4: some are not; 1: it could not be run;
3: it is refused.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.completeBackends(true),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return a.runVerify(ctx, v, args[0])
		},
	})
	fl := c.Flags()
	fl.StringVar(&v.settings, "settings", "", "`FILE` with its [backend.NAME] table")
	fl.StringSliceVar(&v.cases, "cases", nil, "only these `CASES`, parted by commas")
	fl.StringSliceVar(&v.except, "except", nil, "`CASES` that a speaker is known to fail, and then must")
	fl.StringArrayVar(&v.folders, "folder", nil, "`DIR` where a network backend keeps files: no trace may stay there")
	fl.BoolVar(&v.isolated, "isolated", false, "a built-in backend in a process of its own")
	fl.IntVar(&v.slowness, "slowness", 1, "`N` times the usual time, for a network backend")
	fl.BoolVar(&v.verbose, "verbose", false, "show what the backend logs, on stderr")
	fl.BoolVar(&v.here, "here", false, "a network backend on this host itself, which must be one to throw away")
	return c
}

func (a *app) runVerify(ctx context.Context, v verification, what string) error {
	s, err := v.suite(a, what)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return refused{errors.New("the suite makes network namespaces: run it as root")}
	}
	if len(v.cases) == 0 {
		v.cases = nil // which is all
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
	if s.info.Kind == plugins.KindNet && len(v.except) > 0 {
		return usage("--except is for BGP backends, whose speakers may be somebody else's")
	}
	for _, c := range slices.Concat(v.cases, v.except) {
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

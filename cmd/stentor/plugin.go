package main

import (
	"log/slog"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/netbackends"
	"github.com/stentor-net/stentor/plugins"
)

// serveVerb has this program be the plugin of one of its own backends:
// [backend.NAME] isolate = true.
const serveVerb = "plugin-serve"

func (a *app) pluginServe() *cobra.Command {
	return &cobra.Command{
		Use:    serveVerb + " KIND NAME",
		Short:  "Serve a built-in backend as a plugin; the daemon runs this",
		Args:   cobra.ExactArgs(2),
		Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			kind, name := plugins.Kind(args[0]), args[1]
			none := slog.New(slog.DiscardHandler)
			switch {
			case kind == plugins.KindNet && hasBackend(netbackends.Builtin(none), name):
				plugins.ServeNet(func(log *slog.Logger) plugins.NetBackend { return served(netbackends.Builtin(log), name, log) })
			case kind == plugins.KindBGP && hasBackend(bgpbackends.Builtin(none), name):
				plugins.ServeBGP(func(log *slog.Logger) plugins.BGPBackend { return served(bgpbackends.Builtin(log), name, log) })
			default:
				return usage("no %s backend called %q is built in", kind, name)
			}
			return nil
		},
	}
}

// oneCPU are the backends that have so little to do that a second processor
// costs more than it gives: whenever something comes in, Go would wake another
// thread to look for more.
var oneCPU = []string{"native"}

// served gives the backend, after this process has given up what it does not need.
func served[B plugins.Backend](all []B, name string, log *slog.Logger) B {
	b := all[slices.IndexFunc(all, called[B](name))]
	if slices.Contains(oneCPU, name) {
		runtime.GOMAXPROCS(1)
	}
	if b.Info().Has(plugins.CapUnprivileged) {
		if err := confine(); err != nil {
			log.Warn("the file system stays open to this process", "error", err)
		}
	}
	return b
}

func hasBackend[B plugins.Backend](all []B, name string) bool {
	return slices.ContainsFunc(all, called[B](name))
}

func called[B plugins.Backend](name string) func(B) bool {
	return func(b B) bool { return b.Info().Name == name }
}

package main

import (
	"log/slog"
	"slices"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/core/served"
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
				plugins.ServeNet(func(log *slog.Logger) plugins.NetBackend { return settled(netbackends.Builtin(log), name, log) })
			case kind == plugins.KindBGP && hasBackend(bgpbackends.Builtin(none), name):
				plugins.ServeBGP(func(log *slog.Logger) plugins.BGPBackend { return settled(bgpbackends.Builtin(log), name, log) })
			default:
				return usage("no %s backend called %q is built in", kind, name)
			}
			return nil
		},
	}
}

// settled gives the backend, after this process has given up what it does not need.
func settled[B plugins.Backend](all []B, name string, log *slog.Logger) B {
	b := all[slices.IndexFunc(all, called[B](name))]
	served.Settle(b.Info(), log)
	return b
}

func hasBackend[B plugins.Backend](all []B, name string) bool {
	return slices.ContainsFunc(all, called[B](name))
}

func called[B plugins.Backend](name string) func(B) bool {
	return func(b B) bool { return b.Info().Name == name }
}

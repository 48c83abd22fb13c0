package main

import (
	"context"
	"fmt"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/confirm"
	"github.com/stentor-net/stentor/core/once"
	"github.com/stentor-net/stentor/core/registry"
)

func (a *app) confirm() *cobra.Command {
	return &cobra.Command{
		Use:   "confirm",
		Short: "Keep what apply --confirm put on trial",
		Long: `Keep what apply --confirm put on trial.

Exit code 0: it stays; 3: it is too late, or there is nothing to confirm.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			running, err := a.client().Running(cmd.Context())
			if err != nil {
				return err
			}
			if running {
				err = a.client().Confirm(cmd.Context())
			} else {
				err = once.Confirm(cmd.Context(), a.stateDir)
			}
			if err == nil {
				fmt.Fprintln(a.out, "confirmed: it stays")
			}
			return err
		},
	}
}

// guard is the process that apply --confirm leaves behind.
func (a *app) guard() *cobra.Command {
	return &cobra.Command{
		Use:    "guard",
		Hidden: true,
		Short:  "Roll back a config that nobody confirms",
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Whoever closes the terminal does not mean us.
			signal.Ignore(syscall.SIGHUP, syscall.SIGINT)
			log := a.logger(slog.LevelInfo, false)
			store := confirm.Store{Dir: a.stateDir}
			return store.Guard(cmd.Context(), log, func(ctx context.Context) error {
				// A registry gives each backend its settings once, and a try
				// may come after a trial that has others.
				work := a.once(log, registry.Options{StateDir: a.stateDir})
				defer work.Registry.Close()
				return once.RollBack(ctx, work)
			})
		},
	}
}

// once is what the verbs work with that do without a daemon.
func (a *app) once(log *slog.Logger, o registry.Options) once.Options {
	return once.Options{
		Config: a.config, StateDir: o.StateDir, Image: o.Root != "", Log: log,
		Registry: a.registryFor(log, o), Guard: confirm.Store{Dir: o.StateDir}.StartGuard,
	}
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) reload() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Have the daemon take over the config on disk",
		Long: `Have the daemon take over the config on disk. A config with mistakes changes
nothing; what a change does not touch does not flap.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := a.client().Reload(cmd.Context())
			if err != nil {
				return err
			}
			for _, w := range done.Warnings {
				fmt.Fprintln(a.talk, w)
			}
			for _, n := range done.Notes {
				fmt.Fprintln(a.talk, n)
			}
			fmt.Fprintf(a.out, "reloaded: generation %d\n", done.Generation)
			return nil
		},
	}
}

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/control"
)

func (a *app) drain() *cobra.Command {
	var length time.Duration
	var reason string
	c := &cobra.Command{
		Use:   "drain [VIP...]",
		Short: "Have VIPs, or all of them, served by another host",
		Long: `Ask the peers to prefer another host (RFC 8326), and withdraw the route when
all of them were told and the grace time is over. The address stays on this
host, unless drain_address says otherwise. A drain survives restarts, until
undrain or the end of --for.`,
		ValidArgsFunction: a.completeVIPs,
		RunE: func(cmd *cobra.Command, args []string) error {
			req := control.DrainRequest{VIPs: args, Reason: reason}
			if cmd.Flags().Changed("for") {
				if length <= 0 {
					return usage("--for: want a positive duration, like 1h")
				}
				req.For = length.String()
			}
			if err := a.client().Drain(cmd.Context(), req); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "draining %s\n", which(args))
			return nil
		},
	}
	c.Flags().DurationVar(&length, "for", 0, "end the drain after this `DURATION`, like 1h30m")
	c.Flags().StringVar(&reason, "reason", "", "why, a `TEXT` for those who look at the status")
	return c
}

func (a *app) undrain() *cobra.Command {
	return &cobra.Command{
		Use:               "undrain [VIP...]",
		Short:             "Take drains back",
		Long:              "Take the drain of the named VIPs back, or every drain if none is named.",
		ValidArgsFunction: a.completeVIPs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().Undrain(cmd.Context(), control.UndrainRequest{VIPs: args}); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "undrained %s\n", which(args))
			return nil
		},
	}
}

func which(vips []string) string {
	if len(vips) == 0 {
		return "every VIP"
	}
	return strings.Join(vips, ", ")
}

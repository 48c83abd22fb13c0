package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/control"
)

func (a *app) failback() *cobra.Command {
	return &cobra.Command{
		Use:   "failback [VIP...]",
		Short: "Let VIPs that have recovered come back to this host",
		Long: `Announce VIPs, or all of them, as their role says as soon as they are healthy.

A VIP with preempt = false stays demoted after it was unhealthy until this, or
until it is drained. What else holds a healthy VIP back ends as well:
recovery_delay, min_announce, and the penalty of its flaps.`,
		ValidArgsFunction: a.completeVIPs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().Failback(cmd.Context(), control.FailbackRequest{VIPs: args}); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s: announced by role as soon as healthy\n", which(args))
			return nil
		},
	}
}

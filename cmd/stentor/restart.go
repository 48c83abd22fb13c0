package main

import (
	"encoding/json"
	"fmt"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/daemon"
	"github.com/stentor-net/stentor/core/status"
)

func (a *app) restart() *cobra.Command {
	var dryRun, anyway bool
	var unit string
	c := &cobra.Command{
		Use:   "restart",
		Short: "Restart the daemon, if that moves no traffic",
		Long: `Say what a restart would do to the routes of this host, and have systemd do it
if no peer loses one. "systemctl restart stentor" restarts in the same way, and
does not ask.

Exit code 0: done, or it could be; 4: a peer would lose a route, so it was not
done; 2: the config on disk has mistakes, so the daemon would not start again;
3: no daemon answers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			raw, err := a.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.startable(); err != nil {
				return err
			}
			keeps, err := a.tellOutlook(raw)
			switch {
			case err != nil:
				return err
			case !keeps && !anyway:
				return errNo
			case dryRun:
				return nil
			}
			systemctl := exec.CommandContext(cmd.Context(), "systemctl", "restart", unit)
			systemctl.Stdout, systemctl.Stderr = a.talk, a.talk
			if err := systemctl.Run(); err != nil {
				return fmt.Errorf("systemctl restart %s: %w; see: systemctl status %s", unit, err, unit)
			}
			fmt.Fprintln(a.out, "restarted")
			return nil
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what it would do")
	c.Flags().BoolVar(&anyway, "anyway", false, "restart even if peers lose routes")
	c.Flags().StringVar(&unit, "unit", "stentor.service", "the `UNIT` that runs the daemon")
	return c
}

// startable tells what the next run would refuse of the config. Passwords need
// not be readable for who asks.
func (a *app) startable() error {
	reg := a.registry(a.quiet())
	defer reg.Close()
	_, _, err := config.Load(a.config, daemon.LoadOptions(reg, true))
	return err
}

// tellOutlook says what the daemon thinks of a restart, and whether the peers
// keep all routes.
func (a *app) tellOutlook(raw []byte) (keeps bool, err error) {
	var s status.Status
	if err := json.Unmarshal(raw, &s); err != nil {
		return false, err
	}
	switch r := s.Restart; {
	case r == nil:
		fmt.Fprintf(a.out, "a restart can move traffic: the daemon that runs is of version %s, which withdraws every route when it stops\n", s.Version)
	case r.KeepsRoutes:
		fmt.Fprintln(a.out, "a restart moves no traffic:", r.Why)
		return true, nil
	default:
		fmt.Fprintln(a.out, "a restart can move traffic:", r.Why)
	}
	return false, nil
}

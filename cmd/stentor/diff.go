package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/daemon"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/reconcile"
)

func (a *app) diff() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use:   "diff",
		Short: "Show what apply would change",
		Long: `Show what the config on disk would change: files, addresses, sessions, routes.

Exit code 0: nothing; 4: something.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			raw, d, err := a.compare(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				_, err = a.out.Write(raw)
			} else {
				writeDiff(a.out, d)
			}
			if err == nil && !d.Empty() {
				return errNo
			}
			return err
		},
	})
}

// compare asks the daemon, or without one the host.
func (a *app) compare(ctx context.Context) (raw []byte, d control.Diff, err error) {
	running, err := a.client().Running(ctx)
	if err != nil {
		return nil, d, err
	}
	if running {
		if raw, err = a.client().Diff(ctx); err == nil {
			err = json.Unmarshal(raw, &d)
		}
		return raw, d, err
	}
	fmt.Fprintln(a.talk, "no daemon runs: this is what stentor run would change; stentor apply does the address part alone")
	if d, err = a.offlineDiff(ctx); err == nil {
		raw, err = encode(d)
	}
	return raw, d, err
}

func (a *app) offlineDiff(ctx context.Context) (d control.Diff, err error) {
	log := a.quiet()
	registry := a.registry(log)
	defer registry.Close()
	cfg, err := daemon.Load(a.config, registry, true, log)
	if err != nil {
		return d, err
	}
	network, _, err := registry.OpenNet(ctx, cfg.Network.Backend, cfg.Backends)
	if err != nil {
		return d, daemon.Locate(cfg, err)
	}
	defer network.Close()
	speaker, err := registry.OpenBGP(ctx, cfg.BGP.Backend, cfg.Backends)
	if err != nil {
		return d, daemon.Locate(cfg, err)
	}
	defer speaker.Close()
	view, err := host.Read()
	if err != nil {
		return d, err
	}
	drains, err := reconcile.OpenDrains(a.stateDir)
	if err != nil {
		return d, err
	}
	netPlan, bgpPlan, err := reconcile.PlanFresh(ctx, network, speaker, cfg, view, drains, daemon.RouterID)
	return control.Diff{Network: control.Steps(netPlan), BGP: control.Steps(bgpPlan)}, err
}

func writeDiff(w io.Writer, d control.Diff) {
	if d.Empty() {
		fmt.Fprintln(w, "nothing would change")
	}
	for _, s := range append(d.Network, d.BGP...) {
		fmt.Fprintf(w, "%s %s\n", s.Verb, s.Object)
		if s.Diff != "" {
			fmt.Fprintf(w, "%s\n", indent(s.Diff))
		}
	}
}

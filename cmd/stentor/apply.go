package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/daemon"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

func (a *app) apply() *cobra.Command {
	var wait time.Duration
	var root string
	var force bool
	c := &cobra.Command{
		Use:   "apply",
		Short: "Make the host hold what the config says",
		Long: `With a running daemon: have it take over the config, and wait until host and
speaker hold it. Without one: put the shared IPs on this host, once, and
announce nothing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := registry.Options{StateDir: a.stateDir, Root: root, Force: force}
			if root != "" {
				o.StateDir = filepath.Join(root, a.stateDir)
				return a.applyOnce(cmd.Context(), o)
			}
			running, err := a.client().Running(cmd.Context())
			switch {
			case err != nil:
				return err
			case running && force:
				return &control.Error{Kind: control.KindRefused, Message: "--force is for a host without a running daemon; stop it first"}
			case running:
				return a.applyByDaemon(cmd.Context(), wait)
			}
			return a.applyOnce(cmd.Context(), o)
		},
	}
	c.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long to wait for the daemon (a `DURATION`)")
	c.Flags().StringVar(&root, "root", "", "only write files, below `DIR`: for image builds")
	c.Flags().BoolVar(&force, "force", false, "replace files of ours that were edited; keep a copy")
	return c
}

func (a *app) applyByDaemon(ctx context.Context, wait time.Duration) error {
	done, err := a.client().Reload(ctx)
	if err != nil {
		return err
	}
	for _, w := range done.Warnings {
		fmt.Fprintln(a.talk, w)
	}
	for _, n := range done.Notes {
		fmt.Fprintln(a.talk, n)
	}
	raw, err := a.client().Converged(ctx, done.Generation, wait)
	if err != nil {
		return err
	}
	var s status.Status
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	if !s.Converged {
		writeStatus(a.talk, &s, time.Now())
		return fmt.Errorf("the daemon took over the config, and is not done with it after %s; it goes on trying", wait)
	}
	fmt.Fprintf(a.out, "applied by the running daemon: generation %d, %d VIPs\n", s.Generation, len(s.VIPs))
	return nil
}

// applyOnce is the host part alone.
func (a *app) applyOnce(ctx context.Context, o registry.Options) error {
	log := a.quiet()
	backends := a.registryFor(log, o)
	cfg, err := daemon.Load(a.config, backends, true, log)
	if err != nil {
		return err
	}
	unlock, err := daemon.Lock(o.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	network, why, err := backends.OpenNet(ctx, cfg.Network.Backend, cfg.Backends)
	if err != nil {
		return daemon.Locate(cfg, err)
	}
	defer network.Close()
	want := hostVIPs(cfg)
	plan, err := network.Plan(ctx, want)
	if err != nil {
		return err
	}
	if len(plan.Steps) > 0 {
		if err := network.Apply(ctx, want); err != nil {
			return err
		}
	}
	for _, s := range plan.Steps {
		fmt.Fprintf(a.out, "%s %s\n", s.Verb, s.Object)
	}
	if o.Root != "" {
		fmt.Fprintf(a.out, "wrote the files below %s by %s (%s): %d VIPs, %d changes; they take effect when that system boots\n",
			o.Root, network.Info().Name, why, len(want), len(plan.Steps))
		return nil
	}
	if err := verify(cfg); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "applied without a daemon by %s (%s): %d VIPs on this host, %d changes; nothing is announced\n",
		network.Info().Name, why, len(want), len(plan.Steps))
	return nil
}

func hostVIPs(cfg *config.Config) []plugins.VIP {
	var want []plugins.VIP
	for _, v := range cfg.VIPs {
		want = append(want, plugins.VIP{Name: v.Name, Addr: v.Addr, Link: v.Link})
	}
	return want
}

// verify asks the kernel whether every VIP is there.
func verify(cfg *config.Config) error {
	view, err := host.Read()
	if err != nil {
		return err
	}
	for _, v := range cfg.VIPs {
		if len(view.Addrs[v.Addr]) == 0 {
			return fmt.Errorf("vip %s: the backend says it is done, but the kernel does not have %s", v.Name, v.Addr)
		}
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/once"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/core/status"
)

func (a *app) apply() *cobra.Command {
	var wait, trial time.Duration
	var root string
	var force bool
	c := &cobra.Command{
		Use:   "apply",
		Short: "Make the host hold what the config says",
		Long: `With a running daemon: have it take over the config, and wait until host and
speaker hold it. Without one: put the shared IPs on this host, once, and
announce nothing. What costs the host an address or a route is undone.
With --confirm everything is rolled back after that time, whatever becomes of
this terminal and the daemon, unless you run: stentor confirm`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			onTrial := cmd.Flags().Changed("confirm")
			if onTrial && control.CheckTrial(trial) != nil {
				return usage("--%w", control.CheckTrial(trial))
			}
			switch {
			case onTrial && root != "":
				return usage("--confirm is for a running host, and --root for an image; use one of them")
			case onTrial && force:
				return usage("--confirm could not bring back what --force replaces; use one of them")
			case root != "":
				return a.applyOnce(cmd.Context(), registry.Options{StateDir: filepath.Join(root, a.stateDir), Root: root, Force: force}, 0)
			}
			running, err := a.client().Running(cmd.Context())
			switch {
			case err != nil:
				return err
			case running && force:
				return &control.Error{Kind: control.KindRefused, Message: "--force is for a host without a running daemon; stop it first"}
			case running:
				return a.applyByDaemon(cmd.Context(), wait, trial)
			}
			return a.applyOnce(cmd.Context(), registry.Options{StateDir: a.stateDir, Force: force}, trial)
		},
	}
	c.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long to wait for the daemon (a `DURATION`)")
	c.Flags().DurationVar(&trial, "confirm", 0, "roll it back after `DURATION` unless confirmed")
	c.Flags().StringVar(&root, "root", "", "only write files, below `DIR`: for image builds")
	c.Flags().BoolVar(&force, "force", false, "replace files of ours that were edited; keep a copy")
	return c
}

func (a *app) applyByDaemon(ctx context.Context, wait, trial time.Duration) error {
	done, err := a.client().Apply(ctx, wait, trial)
	if err != nil {
		return err
	}
	for _, w := range done.Warnings {
		fmt.Fprintln(a.talk, w)
	}
	for _, n := range done.Notes {
		fmt.Fprintln(a.talk, n)
	}
	if done.Converged {
		fmt.Fprintf(a.out, "applied by the running daemon: generation %d, %s\n", done.Generation, number(done.VIPs, "VIP"))
		a.sayTrial(done.Until)
		return nil
	}
	var s status.Status
	raw, err := a.client().Status(ctx)
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		return err
	}
	writeStatus(a.talk, &s, time.Now())
	if !done.Until.IsZero() && time.Now().After(done.Until) {
		return fmt.Errorf("the daemon took over the config, and was not done with it when its time was over; it is rolled back")
	}
	a.sayTrial(done.Until)
	return fmt.Errorf("the daemon took over the config, and is not done with it after %s; it goes on trying", wait)
}

// applyOnce is the host part alone.
func (a *app) applyOnce(ctx context.Context, o registry.Options, trial time.Duration) error {
	log := a.quiet()
	work := a.once(log, o)
	defer work.Registry.Close()
	work.Confirm = trial
	done, err := once.Apply(ctx, work)
	if err != nil {
		return err
	}
	for _, s := range done.Steps {
		fmt.Fprintf(a.out, "%s %s\n", s.Verb, s.Object)
	}
	if o.Root != "" {
		fmt.Fprintf(a.out, "wrote the files below %s by %s (%s): %s, %s; they take effect when that system boots\n",
			o.Root, done.Network, done.Why, number(done.VIPs, "VIP"), number(len(done.Steps), "change"))
		return nil
	}
	fmt.Fprintf(a.out, "applied without a daemon by %s (%s): %s on this host, %s; nothing is announced\n",
		done.Network, done.Why, number(done.VIPs, "VIP"), number(len(done.Steps), "change"))
	if done.Trial != nil {
		a.sayTrial(done.Trial.Deadline.Wall)
	}
	return nil
}

// sayTrial tells a person what will happen, and how to prevent it.
func (a *app) sayTrial(until time.Time) {
	if left := time.Until(until); !until.IsZero() {
		fmt.Fprintf(a.out, "it is rolled back at %s, in %s, unless you run: stentor confirm\n",
			until.Local().Format("15:04:05"), max(left, 0).Round(time.Second))
	}
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/confirm"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/reconcile"
	"github.com/stentor-net/stentor/core/verify"
	"github.com/stentor-net/stentor/plugins"
)

// Apply takes over the config on disk, waits until host and speaker hold it,
// and goes back to the old one if the host has lost something by it. With a
// trial it goes back after that time too, unless it is confirmed.
func (d *Daemon) Apply(ctx context.Context, wait, trial time.Duration) (_ control.Applied, err error) {
	defer func() { d.events.metrics.Reloaded(err) }()
	// Who asked may go away, as when the terminal hangs up.
	ctx = context.WithoutCancel(ctx)
	d.reload.Lock()
	defer d.reload.Unlock()
	now, err := confirm.Now()
	if err != nil {
		return control.Applied{}, err
	}
	earlier := d.trial.Load()
	if trial == 0 || earlier.Due(now) {
		if err := earlier.InTheWay(now); err != nil {
			return control.Applied{}, err
		}
	}
	cfg, warnings, err := d.read()
	if err != nil {
		return control.Applied{}, err
	}
	old, _ := d.loop.Config()
	done := control.Applied{VIPs: len(cfg.VIPs), Warnings: append([]config.Finding{}, warnings...), Notes: notes(old, cfg)}
	look := func() (verify.Snapshot, error) { return verify.Look(PeerAddrs(cfg)) }
	before, err := look()
	if err != nil {
		return control.Applied{}, err
	}
	if err := d.sameBackends(old, cfg); err != nil {
		return control.Applied{}, err
	}
	if trial > 0 {
		t, err := d.begin(ctx, cfg, trial)
		if err != nil {
			return control.Applied{}, errors.Join(fmt.Errorf("nothing was changed: %w", err), d.setTrial(earlier))
		}
		done.Until = t.Deadline.Wall
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, trial) // the way back waits for us
		defer stop()
	}
	if done.Generation, err = d.takeOver(ctx, cfg); err != nil {
		return control.Applied{}, errors.Join(err, d.endTrial(trial, earlier))
	}
	done.Converged = d.converged(ctx, done.Generation, wait)
	if err := verify.Wait(ctx, before, changeOf(old, cfg, done.Converged, d.drains.At(time.Now())), look); err != nil {
		return control.Applied{}, errors.Join(d.undo(ctx, old, err), d.endTrial(trial, earlier))
	}
	if trial == 0 {
		if err := d.setTrial(nil); err != nil {
			return control.Applied{}, err
		}
		if done.Converged {
			d.keepGood(cfg)
		}
	}
	return done, nil
}

// changeOf is what may move between two configs. What is not on the host yet
// is no loss while the backend still works on it, nor what a drain has taken off.
func changeOf(old, cfg *config.Config, converged bool, drains reconcile.Drains) verify.Change {
	c := verify.Change{Ours: map[netip.Addr]bool{}}
	for _, v := range slices.Concat(old.VIPs, cfg.VIPs) {
		c.Ours[v.Addr] = true
	}
	for _, v := range cfg.VIPs {
		if _, drained := drains.Of(v.Name); converged && !(drained && cfg.BGP.DrainRemoves) {
			c.Want = append(c.Want, v.Addr)
		}
	}
	return c
}

// undo goes back to the old config after cause.
func (d *Daemon) undo(ctx context.Context, old *config.Config, cause error) error {
	generation, err := d.takeOver(ctx, old)
	if err != nil {
		return fmt.Errorf("the change cost the host something: %w; and the old config can't be taken over: %w", cause, err)
	}
	d.Log.Error("the change cost the host something, so the old config is in force again", "lost", cause)
	if !d.converged(context.WithoutCancel(ctx), generation, backTime) {
		return fmt.Errorf("the change cost the host something: %w; the old config is in force again, and the daemon is not done with it yet", cause)
	}
	return fmt.Errorf("the change cost the host something, so the old config is in force again: %w", cause)
}

// endTrial puts the trial back that was there before, if another took its place.
func (d *Daemon) endTrial(trial time.Duration, earlier *confirm.Trial) error {
	if trial == 0 {
		return nil
	}
	return d.setTrial(earlier)
}

// HostVIPs are what a config asks of the network backend.
func HostVIPs(c *config.Config) []plugins.VIP {
	var want []plugins.VIP
	for _, v := range c.VIPs {
		want = append(want, plugins.VIP{Name: v.Name, Addr: v.Addr, Link: v.Link})
	}
	return want
}

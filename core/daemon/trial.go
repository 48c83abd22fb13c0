package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/confirm"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/status"
)

// first is the config to begin with: the one on disk, unless another one is on
// trial, or this one was rolled back.
func first(o Options, store confirm.Store) (*config.Config, *confirm.Trial, error) {
	trial, err := store.Trial()
	if err != nil {
		return nil, nil, err
	}
	now, err := confirm.Now()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case trial.On(now):
		o.Log.Warn("a config is on trial", "until", trial.Until())
		cfg, _, err := config.LoadTexts(trial.Tried, LoadOptions(o.Registry, false))
		return cfg, trial, err
	case trial.Due(now):
		o.Log.Warn("a config on trial was not confirmed, going back to the one before", "deadline", trial.Until())
		cfg, err := trial.Old(LoadOptions(o.Registry, false))
		return cfg, trial, err
	}
	cfg, warnings, err := o.read()
	logWarnings(o.Log, warnings)
	if err != nil {
		return nil, nil, err
	}
	if trial.Rejects(cfg.Texts()) {
		o.Log.Warn("the config on disk was on trial and not confirmed, staying with the one before")
		cfg, err := trial.Old(LoadOptions(o.Registry, false))
		return cfg, trial, err
	}
	return cfg, nil, store.Save(nil)
}

// begun is what is left to do once the config is chosen. The routes do not wait
// for the disk.
func (d *Daemon) begun(ctx context.Context) {
	d.reload.Lock()
	defer d.reload.Unlock()
	trial := d.trial.Load()
	if trial == nil {
		cfg, _ := d.loop.Config()
		d.keepGood(cfg)
		return
	}
	if !trial.RolledBack.IsZero() {
		return
	}
	if err := d.Guard(ctx); err != nil { // it is gone after a reboot
		d.Log.Error("if this daemon dies, nobody rolls back the config on trial", "error", err)
	}
}

// setTrial takes t over once it is on disk.
func (d *Daemon) setTrial(t *confirm.Trial) error {
	if err := d.store.Save(t); err != nil {
		return err
	}
	d.trial.Store(t)
	select {
	case d.trials <- struct{}{}:
	default: // it will look anyway
	}
	return nil
}

// begin puts cfg on trial. A config that is on trial already is followed by
// it, and the way back stays the same.
func (d *Daemon) begin(ctx context.Context, cfg *config.Config, length time.Duration) (*confirm.Trial, error) {
	now, err := confirm.Now()
	if err != nil {
		return nil, err
	}
	old, _ := d.loop.Config()
	t := &confirm.Trial{Began: now, Deadline: now.Add(length), Network: d.network, Tried: cfg.Texts()}
	if earlier := d.trial.Load(); earlier != nil {
		t.Before, t.Held = earlier.Before, earlier.Held
	} else {
		t.Before, t.Held = old.Texts(), confirm.Hold(HostVIPs(old))
	}
	if err := d.setTrial(t); err != nil {
		return nil, err
	}
	return t, d.Guard(ctx)
}

// watchTrials rolls back what nobody confirms, until ctx ends. An error means
// that a running daemon can't; the guard does when it has ended.
func (d *Daemon) watchTrials(ctx context.Context) error {
	for {
		watch, stop := context.WithCancel(ctx)
		var failed *control.Error
		d.store.Watch(watch, d.Log, func(ctx context.Context) error {
			err := d.rollBack(ctx)
			if errors.As(err, &failed) && failed.Kind == control.KindConfig {
				stop() // only a restart can change that
			} else {
				failed = nil
			}
			return err
		})
		stop()
		if failed != nil {
			return fmt.Errorf("ending, so that the config on trial can be rolled back: %w", failed)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.trials:
		}
	}
}

// rollBack goes back to the config from before the trial, if that is due. The
// trial is over when the host is as it was: until then a crash leaves the rest
// to the guard. A host that can't be brought there, as by a config that never
// worked, must not keep a person from correcting it.
func (d *Daemon) rollBack(ctx context.Context) error {
	d.reload.Lock()
	defer d.reload.Unlock()
	t := d.trial.Load()
	if now, err := confirm.Now(); err != nil || !t.Due(now) {
		return err
	}
	cfg, err := t.Old(LoadOptions(d.Registry, false))
	if err != nil {
		return err
	}
	generation, err := d.takeOver(ctx, cfg)
	if err != nil {
		return err
	}
	d.Log.Warn("nobody confirmed the config, so the one before it is in force again", "generation", generation, "vips", len(cfg.VIPs))
	if !d.converged(ctx, generation, backTime) {
		d.Log.Error("host and speaker do not hold the config from before the trial yet", "waited", backTime)
	}
	over := *t
	over.RolledBack = time.Now()
	return d.setTrial(&over)
}

// backTime is how long a look at the way back lasts.
const backTime = 30 * time.Second

// Confirm keeps the config on trial.
func (d *Daemon) Confirm(context.Context) error {
	d.reload.Lock()
	defer d.reload.Unlock()
	if err := d.store.Keep(d.trial.Load()); err != nil {
		return err
	}
	d.trial.Store(nil)
	d.Log.Info("the config on trial was confirmed")
	return nil
}

// withTrial adds to a snapshot what is to be said of the trial.
func withTrial(s *status.Status, t *confirm.Trial) *status.Status {
	if s == nil || t == nil {
		return s
	}
	more := *s
	if t.RolledBack.IsZero() {
		more.ConfirmBy = t.Deadline.Wall
		return &more
	}
	more.Problems = append(slices.Clone(s.Problems), status.Problem{
		Object: "config", Message: "the config on disk was not confirmed, and the one before it is in force",
		Hint: "correct it, or take it as it is with: stentor apply", Since: t.RolledBack,
	})
	slices.SortStableFunc(more.Problems, func(a, b status.Problem) int { return cmp.Compare(a.Object, b.Object) })
	return &more
}

// converged waits until a generation has converged, or for as long as wait.
func (d *Daemon) converged(ctx context.Context, generation int, wait time.Duration) bool {
	deadline := time.After(wait)
	for {
		next := d.loop.Next() // before Status, so that no news slips between
		if s := d.loop.Status(); s != nil && s.Converged && s.Generation >= generation {
			return true
		}
		select {
		case <-next:
		case <-deadline:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// keepGood has a later trial come back to cfg.
func (d *Daemon) keepGood(cfg *config.Config) {
	if err := d.store.SetLastGood(cfg.Texts()); err != nil {
		d.Log.Warn("a later trial without a daemon can't come back to this config, only to its addresses", "error", err)
	}
}

// PeerAddrs are the addresses of the peers.
func PeerAddrs(c *config.Config) []netip.Addr {
	all := make([]netip.Addr, 0, len(c.BGP.Peers))
	for _, p := range c.BGP.Peers {
		all = append(all, p.Addr)
	}
	return all
}

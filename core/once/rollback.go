package once

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/confirm"
	"github.com/stentor-net/stentor/core/daemon"
)

// RollBack makes the host hold what it held before the trial, if that is due.
// While somebody else has the lock it does nothing: a daemon rolls back by
// itself, and what an apply does is over soon.
func RollBack(ctx context.Context, o Options) error {
	unlock, err := daemon.Lock(o.StateDir)
	if errors.Is(err, daemon.ErrLocked) {
		return nil
	} else if err != nil {
		return err
	}
	defer unlock()
	store := confirm.Store{Dir: o.StateDir}
	t, err := store.Trial()
	if err != nil {
		return err
	}
	if now, err := confirm.Now(); err != nil || !t.Due(now) {
		return err
	}
	old, err := t.Old(config.Options{Offline: true, RequirePin: o.Registry.RequirePin})
	if err != nil {
		return err
	}
	network, _, err := o.Registry.OpenNet(ctx, t.Network, old.Backends)
	if err != nil {
		return daemon.Locate(old, err)
	}
	defer network.Close()
	// A speaker that does not answer must not keep the host as it is.
	if err := daemon.Silence(ctx, o.StateDir, o.Registry, old); err != nil {
		o.Log.Error("routes may still be announced for addresses that leave the host now", "error", err)
	}
	if err := network.Apply(ctx, t.VIPs()); err != nil {
		return fmt.Errorf("network backend %s: %w", t.Network, err)
	}
	o.Log.Warn("nobody confirmed the config, so it was rolled back", "network", t.Network, "vips", len(t.Held))
	t.RolledBack = time.Now()
	return store.Save(t)
}

// Confirm keeps the config on trial.
func Confirm(ctx context.Context, stateDir string) error {
	unlock, err := daemon.WaitLock(ctx, stateDir)
	if err != nil {
		return err
	}
	defer unlock()
	store := confirm.Store{Dir: stateDir}
	t, err := store.Trial()
	if err != nil {
		return err
	}
	return store.Keep(t)
}

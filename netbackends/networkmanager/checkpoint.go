package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v3"
	"github.com/godbus/dbus/v5"

	"github.com/stentor-net/stentor/plugins"
)

const (
	// checkpointLife is when NetworkManager rolls back by itself, in seconds:
	// longer than core lets a call take, so that it only acts when we are dead.
	checkpointLife = 60
	// checkpointWait is how long another tool's checkpoint is waited for.
	checkpointWait  = 3 * time.Second
	checkpointRetry = 200 * time.Millisecond
)

// checkpoint has NetworkManager remember one device and its profile. It takes
// no flags: "delete new connections" and "disconnect new devices" would undo
// what others do meanwhile on any device.
func (m *manager) checkpoint(ctx context.Context, c *carrier) (gnm.Checkpoint, error) {
	tick := time.NewTicker(checkpointRetry)
	defer tick.Stop()
	giveUp := time.NewTimer(checkpointWait)
	defer giveUp.Stop()
	for {
		cp, err := within(ctx, func() (gnm.Checkpoint, error) {
			return m.nm.CheckpointCreate([]gnm.Device{c.handle}, checkpointLife, 0)
		})
		var remote dbus.Error
		if !errors.As(err, &remote) || remote.Name != "org.freedesktop.NetworkManager.InvalidArguments" {
			return cp, inWords("make a checkpoint", err)
		}
		select {
		case <-tick.C:
		case <-giveUp.C:
			return nil, fmt.Errorf("another tool holds a checkpoint of NetworkManager's: %w; it ends by itself, or for nmstate's with: nmstatectl rollback (%w)",
				remote, plugins.ErrUnavailable)
		case <-ctx.Done():
			return nil, inWords("make a checkpoint", ctx.Err())
		}
	}
}

// guard has NetworkManager itself go back if we die in the middle. A device
// that is not there yet can't be remembered, and a deletion is one step.
func (b *Backend) guard(ctx context.Context, s *state, c change) (gnm.Checkpoint, error) {
	if c.profile != update || s.carrier == nil {
		return nil, nil
	}
	inFlight := s.ledger
	inFlight.InFlight = s.nm.owner
	if err := b.store.save(inFlight); err != nil {
		return nil, err
	}
	s.ledger = inFlight
	cp, err := s.nm.checkpoint(ctx, s.carrier)
	if remotely(err) {
		// A refusal. Without an answer there may be one, which the next Apply ends.
		inFlight.InFlight = ""
		return nil, errors.Join(err, b.store.save(inFlight))
	}
	return cp, err
}

// dropCheckpoints ends those that are on device c alone. It is for what an
// Apply of ours left behind that was cut off: its end would be a rollback.
func (m *manager) dropCheckpoints(ctx context.Context, c *carrier) error {
	list, err := within(ctx, m.nm.GetPropertyCheckpoints)
	if err != nil {
		return inWords("list checkpoints", err)
	}
	for _, cp := range list {
		var v dbus.Variant
		err := m.call(ctx, cp.GetPath(), "org.freedesktop.DBus.Properties.Get", []any{&v}, gnm.CheckpointInterface, "Devices")
		if gone(err) {
			continue
		}
		if err != nil {
			return inWords("look at a checkpoint", err)
		}
		devices, _ := v.Value().([]dbus.ObjectPath)
		if slices.Equal(devices, []dbus.ObjectPath{c.handle.GetPath()}) {
			if err := m.destroy(ctx, cp); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *manager) destroy(ctx context.Context, cp gnm.Checkpoint) error {
	err := do(ctx, func() error { return m.nm.CheckpointDestroy(cp) })
	if remotely(err) {
		return nil // it is over already
	}
	return inWords("end a checkpoint", err)
}

func (m *manager) rollback(ctx context.Context, cp gnm.Checkpoint) error {
	results, err := within(ctx, func() (map[dbus.ObjectPath]gnm.NmRollbackResult, error) { return m.nm.CheckpointRollback(cp) })
	if err != nil {
		return inWords("roll back to a checkpoint", err)
	}
	for _, r := range results {
		if r != gnm.NmRollbackResultOk {
			return fmt.Errorf("roll back to a checkpoint: NetworkManager says: %s", r)
		}
	}
	return nil
}

package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v3"
	"github.com/godbus/dbus/v5"

	"github.com/stentor-net/stentor/plugins"
)

// moving tells whether NetworkManager is taking a device from one state to
// another: what is decided about it now would be about what is gone in a
// moment, and a reapply is refused.
func (c *carrier) moving() bool {
	return c.state > gnm.NmDeviceStateDisconnected && c.state != gnm.NmDeviceStateActivated
}

// rest waits until NetworkManager is done with a link, and gives it as it is
// then; nil if there is none.
func (m *manager) rest(ctx context.Context, link string, wait time.Duration) (*carrier, error) {
	return m.restWithout(ctx, link, "", wait)
}

// restWithout waits until it has let go of a profile, too.
func (m *manager) restWithout(ctx context.Context, link string, profile dbus.ObjectPath, wait time.Duration) (c *carrier, err error) {
	err = m.await(ctx, wait, func() (bool, error) {
		var err error
		c, err = m.carrier(ctx, link)
		return c == nil || !c.moving() && (profile == "" || c.profile != profile), err
	})
	if errors.Is(err, errSlow) {
		return c, fmt.Errorf("NetworkManager is still busy with %s, in state %d: see nmcli device show %s (%w, %w)",
			link, c.state, link, err, plugins.ErrUnavailable)
	}
	return c, err
}

// arrive waits for the outcome of an activation.
func (m *manager) arrive(ctx context.Context, active gnm.ActiveConnection, wait time.Duration) error {
	var state gnm.NmActiveConnectionState
	err := m.await(ctx, wait, func() (bool, error) {
		var err error
		state, err = within(ctx, active.GetPropertyState)
		if gone(err) {
			state, err = gnm.NmActiveConnectionStateDeactivated, nil
		}
		return state != gnm.NmActiveConnectionStateUnknown && state != gnm.NmActiveConnectionStateActivating, inWords("ask how far it is", err)
	})
	if errors.Is(err, errSlow) {
		return fmt.Errorf("it takes too long: see journalctl -u NetworkManager (%w, %w)", err, plugins.ErrUnavailable)
	}
	if err == nil && state != gnm.NmActiveConnectionStateActivated {
		err = errors.New("it was deactivated again: see journalctl -u NetworkManager")
	}
	return err
}

// await asks again after each change of state that NetworkManager tells of,
// until the answer is yes, for the time of wait at most.
func (m *manager) await(ctx context.Context, wait time.Duration, done func() (bool, error)) error {
	signals := make(chan *dbus.Signal, 64)
	m.bus.Signal(signals)
	defer m.bus.RemoveSignal(signals)
	for _, rule := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(busName), dbus.WithMatchMember("StateChanged")}, // of devices and of active connections
		{dbus.WithMatchSender(busName), dbus.WithMatchMember("DeviceRemoved")},
		{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, busName)},
	} {
		if err := m.bus.AddMatchSignalContext(ctx, rule...); err != nil {
			return inWords("listen to NetworkManager", err)
		}
	}
	giveUp := time.NewTimer(wait)
	defer giveUp.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case _, open := <-signals:
			if !open {
				return fmt.Errorf("the D-Bus system bus hung up: %w", plugins.ErrUnavailable)
			}
		case <-giveUp.C:
			return errSlow
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errSlow, ctx.Err())
		}
	}
}

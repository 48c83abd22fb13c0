package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/stentor-net/stentor/plugins"
)

// callTimeout bounds one D-Bus call. NetworkManager answers in milliseconds;
// a call that writes to a slow disk takes longer.
const callTimeout = 5 * time.Second

// bus is a private connection to the system bus.
type bus struct {
	*dbus.Conn
	end context.CancelFunc
}

// dialBus connects to the system bus. ctx bounds the handshake alone: what a
// cut-off call did is taken back over the same connection.
func dialBus(ctx context.Context) (*bus, error) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, end)
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(life))
	if !stop() && err == nil {
		_ = conn.Close()
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		end()
		return nil, fmt.Errorf("the D-Bus system bus does not answer, and NetworkManager is driven through it: %w (%w)", err, plugins.ErrUnavailable)
	}
	return &bus{conn, end}, nil
}

func (b *bus) close() {
	_ = b.Close()
	b.end()
}

// within runs a call of a library that knows no deadline, and gives up on it
// when ctx or callTimeout ends.
func within[T any](ctx context.Context, call func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		value, err := call()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		hangUp()
		var none T
		return none, ctx.Err()
	}
}

// do is within for a call that gives nothing back.
func do(ctx context.Context, call func() error) error {
	_, err := within(ctx, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

// hangUpTime bounds the wait for hangUp's end.
const hangUpTime = time.Second

// hangUp closes the connection that gonetworkmanager shares among all its
// values, which ends calls that hang in it; the next call makes a new one. It
// returns when that is done, lest it close the next one; but a handshake that
// hangs holds the lock that it needs, and is not waited for longer.
func hangUp() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if conn, err := dbus.SystemBus(); err == nil {
			_ = conn.Close()
		}
	}()
	select {
	case <-closed:
	case <-time.After(hangUpTime):
	}
}

// inWords makes an error of a D-Bus call readable.
func inWords(what string, err error) error {
	var remote dbus.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, dbus.ErrClosed):
		return fmt.Errorf("%s: NetworkManager gave no answer in time (is it hung? systemctl status NetworkManager): %w", what, plugins.ErrUnavailable)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", what, err)
	case errors.As(err, &remote):
		switch remote.Name {
		case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
			"org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Disconnected":
			return fmt.Errorf("%s: %w", what, errDown)
		case "org.freedesktop.NetworkManager.PermissionDenied", "org.freedesktop.DBus.Error.AccessDenied":
			return fmt.Errorf("%s: NetworkManager refuses: %s (run as root)", what, remote.Error())
		}
		return fmt.Errorf("%s: NetworkManager says: %w", what, remote)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// errDown is for a bus name without an owner.
var errDown = fmt.Errorf("NetworkManager is not running; start it with: systemctl start NetworkManager (%w)", plugins.ErrUnavailable)

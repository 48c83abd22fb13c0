package detect

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"
)

// busTimeout bounds one question, and lookTimeout all that one look asks of
// the bus: a daemon that hangs must not hang us.
const (
	busTimeout  = time.Second
	lookTimeout = 3 * time.Second
)

// systemBus is a connection that is opened when it is first needed, and for
// good not there when that fails.
type systemBus struct {
	ctx    context.Context // ends the connection, also while it is made
	conn   *dbus.Conn
	failed bool
}

func (b *systemBus) open() *dbus.Conn {
	if b.conn != nil || b.failed {
		return b.conn
	}
	// A private connection: the shared one of godbus would outlive us.
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(b.ctx))
	if err != nil {
		b.failed = true
		return nil
	}
	b.conn = conn
	return conn
}

func (b *systemBus) close() {
	if b.conn != nil {
		_ = b.conn.Close()
	}
}

func (b *systemBus) nameOwned(ctx context.Context, name string) bool {
	conn := b.open()
	if conn == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	var owned bool
	err := conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, name).Store(&owned)
	return err == nil && owned
}

// The names of NetworkManager's D-Bus interface, as its documentation has them.
const (
	nmName    = "org.freedesktop.NetworkManager"
	nmPath    = "/org/freedesktop/NetworkManager"
	nmDevice  = nmName + ".Device"
	nmActive  = nmName + ".Connection.Active"
	nmProfile = nmName + ".Settings.Connection"

	nmExternal = 0x8 // NM_SETTINGS_CONNECTION_FLAG_EXTERNAL
)

func (b *systemBus) nmDevice(ctx context.Context, link string) (NMState, error) {
	var s NMState
	conn := b.open()
	if conn == nil {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	get := func(object dbus.ObjectPath, iface, name string, dst any) error {
		var v dbus.Variant
		err := conn.Object(nmName, object).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, iface, name).Store(&v)
		if err != nil {
			return err
		}
		return dbus.Store([]any{v.Value()}, dst)
	}
	if err := get(nmPath, nmName, "Version", &s.Version); err != nil {
		return s, err
	}
	var device, active, profile dbus.ObjectPath
	err := conn.Object(nmName, nmPath).CallWithContext(ctx, nmName+".GetDeviceByIpIface", 0, link).Store(&device)
	if err != nil {
		return s, err
	}
	if err := get(device, nmDevice, "Managed", &s.Managed); err != nil {
		return s, err
	}
	if err := get(device, nmDevice, "ActiveConnection", &active); err != nil || active == "/" {
		return s, err
	}
	if err := get(active, nmActive, "Connection", &profile); err != nil {
		return s, err
	}
	var flags uint32
	if err := get(profile, nmProfile, "Flags", &flags); err != nil {
		return s, err
	}
	s.External = flags&nmExternal != 0
	return s, get(profile, nmProfile, "Filename", &s.Profile)
}

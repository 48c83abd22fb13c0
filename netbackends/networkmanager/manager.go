package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	gnm "github.com/Wifx/gonetworkmanager/v3"
	"github.com/godbus/dbus/v5"
)

const (
	busName      = gnm.NetworkManagerInterface
	deviceIface  = gnm.DeviceInterface
	profileIface = gnm.ConnectionInterface
)

// Flags of NetworkManager's D-Bus interface.
const (
	toDisk           = 0x1  // NM_SETTINGS_ADD_CONNECTION2_FLAG_TO_DISK, NM_SETTINGS_UPDATE2_FLAG_TO_DISK
	blockAutoconnect = 0x20 // ..._BLOCK_AUTOCONNECT: we activate it, and want to see the outcome
	preserveExternal = 0x1  // NM_DEVICE_REAPPLY_FLAGS_PRESERVE_EXTERNAL_IP
	flagExternal     = 0x8  // NM_SETTINGS_CONNECTION_FLAG_EXTERNAL: stands for what others set up
)

// manager is a running NetworkManager. Every method ends with its context.
type manager struct {
	bus      *bus
	nm       gnm.NetworkManager
	settings gnm.Settings
	version  version
	owner    string // unique bus name: another one after each restart
}

// dial connects to NetworkManager.
func dial(ctx context.Context) (m *manager, err error) {
	bus, err := dialBus(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			bus.close()
		}
	}()
	m = &manager{bus: bus}
	if m.owner, err = m.nameOwner(ctx); err != nil {
		return nil, err
	}
	err = m.greet(ctx)
	if errors.Is(err, net.ErrClosed) || errors.Is(err, dbus.ErrClosed) {
		// A call that was cut off a moment ago hung up on all (see hangUp), and
		// it was this connection that it found.
		err = m.greet(ctx)
	}
	return m, inWords("talk to NetworkManager", err)
}

// greet takes gonetworkmanager's own connection, and asks for the version.
func (m *manager) greet(ctx context.Context) (err error) {
	if m.nm, err = within(ctx, gnm.NewNetworkManager); err != nil {
		return err
	}
	if m.settings, err = within(ctx, gnm.NewSettings); err != nil {
		return err
	}
	v, err := within(ctx, m.nm.GetPropertyVersion)
	if err == nil {
		m.version, err = parseVersion(v)
	}
	return err
}

func (m *manager) close() { m.bus.close() }

func (m *manager) nameOwner(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var owner string
	err := m.bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, busName).Store(&owner)
	if remotely(err) {
		return "", errDown
	}
	return owner, inWords("look for NetworkManager on the bus", err)
}

// call is for what gonetworkmanager lacks.
func (m *manager) call(ctx context.Context, object dbus.ObjectPath, method string, out []any, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return m.bus.Object(busName, object).CallWithContext(ctx, method, 0, args...).Store(out...)
}

// stored is a profile that NetworkManager has.
type stored struct {
	reading
	handle gnm.Connection
	file   string
	memory bool // is not as its file says: changed in memory alone
}

func (s stored) String() string {
	if s.file == "" {
		return fmt.Sprintf("profile %q", s.id)
	}
	return fmt.Sprintf("profile %q (%s)", s.id, s.file)
}

// profiles gives those that concern us: marked as ours, at our place, or with
// addresses of host length, which may be shared IPs.
func (m *manager) profiles(ctx context.Context, d device) ([]stored, error) {
	list, err := within(ctx, m.settings.ListConnections)
	if err != nil {
		return nil, inWords("list NetworkManager's profiles", err)
	}
	var all []stored
	for _, c := range list {
		raw, err := within(ctx, c.GetSettings)
		if gone(err) {
			continue // deleted since the list was made
		}
		if err != nil {
			return nil, inWords("read a profile", err)
		}
		s := stored{reading: read(settings(raw).keyfile()), handle: c}
		if !s.ours && !s.inPlaceOf(d) && len(s.addrs) == 0 {
			continue
		}
		if err := m.whereabouts(ctx, &s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// inPlaceOf tells whether a profile is where ours for d belongs.
func (s stored) inPlaceOf(d device) bool {
	return s.id == profileID || s.uuid == d.uuid || d.own() && s.link == d.link
}

// whereabouts asks where a profile is kept.
func (m *manager) whereabouts(ctx context.Context, s *stored) (err error) {
	if s.file, err = within(ctx, s.handle.GetPropertyFilename); err != nil {
		return inWords("ask for a profile's file", err)
	}
	if s.memory, err = within(ctx, s.handle.GetPropertyUnsaved); err != nil {
		return inWords("ask whether a profile is saved", err)
	}
	return nil
}

// persistent tells whether a profile survives a reboot. netplan's own build of
// NetworkManager keeps profiles as YAML, and their renderings in /run.
func (s stored) persistent() bool {
	return !s.memory && s.file != "" &&
		(!strings.HasPrefix(s.file, "/run/") || strings.HasPrefix(s.file, "/run/NetworkManager/system-connections/netplan-"))
}

// carrier is a link as NetworkManager sees it.
type carrier struct {
	handle gnm.Device
	state  gnm.NmDeviceState
	// profile is the path of the active profile; empty if none is.
	profile  dbus.ObjectPath
	external bool // that profile merely stands for what others set up
	// applied is what the device was last told to carry, whatever its profile
	// says since.
	applied []netip.Addr
}

// carrier looks for a link; nil if NetworkManager has none of that name.
func (m *manager) carrier(ctx context.Context, link string) (*carrier, error) {
	handle, err := within(ctx, func() (gnm.Device, error) { return m.nm.GetDeviceByIpIface(link) })
	if err != nil {
		if gone(err) {
			return nil, nil
		}
		return nil, inWords("look for device "+link, err)
	}
	c := &carrier{handle: handle}
	var active gnm.ActiveConnection
	if c.state, err = within(ctx, handle.GetPropertyState); err == nil {
		active, err = within(ctx, handle.GetPropertyActiveConnection)
	}
	if gone(err) {
		return nil, nil // removed while we looked
	}
	if err != nil || active == nil {
		return c, inWords("ask for the active profile of "+link, err)
	}
	profile, err := within(ctx, active.GetPropertyConnection)
	if err == nil {
		c.profile = profile.GetPath()
		var flags uint32
		flags, err = within(ctx, profile.GetPropertyFlags)
		c.external = flags&flagExternal != 0
	}
	if gone(err) {
		return c, nil // deactivated while we looked
	}
	if err != nil {
		return nil, inWords("ask for the active profile of "+link, err)
	}
	var raw map[string]map[string]dbus.Variant
	var id uint64
	if err := m.call(ctx, handle.GetPath(), gnm.DeviceGetAppliedConnection, []any{&raw, &id}, uint32(0)); err == nil {
		c.applied = read(unwrap(raw).keyfile()).addrs
	} else if !remotely(err) {
		return nil, inWords("ask what "+link+" carries", err)
	}
	return c, nil
}

// add stores a profile on disk, and does not activate it.
func (m *manager) add(ctx context.Context, p profile) (stored, error) {
	var path dbus.ObjectPath
	var more map[string]dbus.Variant
	err := m.call(ctx, gnm.SettingsObjectPath, gnm.SettingsInterface+".AddConnection2", []any{&path, &more},
		p.settings(), uint32(toDisk|blockAutoconnect), map[string]dbus.Variant{})
	if err != nil {
		return stored{}, inWords("add profile "+profileID, err)
	}
	handle, err := within(ctx, func() (gnm.Connection, error) { return gnm.NewConnection(path) })
	if err != nil {
		return stored{}, inWords("add profile "+profileID, err)
	}
	s := stored{reading: read(p.keyfile()), handle: handle}
	if err := m.whereabouts(ctx, &s); err != nil {
		return s, err
	}
	return s, s.makeLast()
}

// update replaces a profile, on disk too; what its device carries stays as it is.
func (m *manager) update(ctx context.Context, s stored, p profile) error {
	var more map[string]dbus.Variant
	err := m.call(ctx, s.handle.GetPath(), gnm.ConnectionUpdate2, []any{&more},
		p.settings(), uint32(toDisk|blockAutoconnect), map[string]dbus.Variant{})
	if err == nil { // one that was in memory alone has a file now
		err = m.whereabouts(ctx, &s)
	}
	if err != nil {
		return inWords("change "+s.String(), err)
	}
	return s.makeLast()
}

// remove deletes a profile and its file, and with it a device of our own. One
// that is gone already is no error.
func (m *manager) remove(ctx context.Context, s stored) error {
	err := do(ctx, s.handle.Delete)
	if gone(err) {
		return nil
	}
	if err != nil {
		return inWords("delete "+s.String(), err)
	}
	return s.makeLast()
}

// activate brings a profile up. It returns before all is done.
func (m *manager) activate(ctx context.Context, s stored, c *carrier) (gnm.ActiveConnection, error) {
	var on gnm.Device
	if c != nil {
		on = c.handle
	}
	active, err := within(ctx, func() (gnm.ActiveConnection, error) { return m.nm.ActivateConnection(s.handle, on, nil) })
	return active, inWords("activate "+s.String(), err)
}

// reapply has a device carry what its profile says now. It leaves addresses of
// others on it, where NetworkManager can. What stays in the profile stays on
// the device, but for IPv6, which NetworkManager deletes and adds again within
// some milliseconds.
func (m *manager) reapply(ctx context.Context, c *carrier) error {
	var flags uint32
	if m.version.atLeast(preserveSince) {
		flags = preserveExternal
	}
	err := do(ctx, func() error { return c.handle.Reapply(gnm.ConnectionSettings{}, 0, flags) })
	return inWords("reapply profile "+profileID, err)
}

// gone tells that an object or name is not there.
func gone(err error) bool {
	var remote dbus.Error
	if !errors.As(err, &remote) {
		return false
	}
	switch remote.Name {
	case "org.freedesktop.NetworkManager.UnknownDevice", "org.freedesktop.NetworkManager.UnknownConnection",
		"org.freedesktop.DBus.Error.UnknownMethod", "org.freedesktop.DBus.Error.UnknownObject":
		return true
	}
	return false
}

// remotely tells an answer that says no from no answer.
func remotely(err error) bool {
	var remote dbus.Error
	return errors.As(err, &remote)
}

func unwrap(raw map[string]map[string]dbus.Variant) settings {
	s := settings{}
	for name, properties := range raw {
		s[name] = map[string]any{}
		for key, v := range properties {
			value := v.Value()
			if list, ok := value.([]map[string]dbus.Variant); ok {
				entries := make([]map[string]any, len(list))
				for i, e := range list {
					entries[i] = map[string]any{}
					for k, v := range e {
						entries[i][k] = v.Value()
					}
				}
				value = entries
			}
			s[name][key] = value
		}
	}
	return s
}

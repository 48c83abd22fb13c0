// Package detect tells which network stack owns this host's uplink, for all
// network backends.
package detect

import "github.com/stentor-net/stentor/plugins"

// Stack is a network stack that a backend drives; the values are the backends' names.
type Stack string

// The stacks that have a backend.
const (
	Netplan        Stack = "netplan" // with systemd-networkd as its renderer
	Networkd       Stack = "networkd"
	NetworkManager Stack = "networkmanager"
	Ifupdown       Stack = "ifupdown"
)

// View is what a host tells about its network stacks. It is data alone, so
// that Owner can be tested with any host.
type View struct {
	// Uplink is the link of the default route, IPv4 before IPv6, or else the
	// first one with a global address. The zero Link: there is none.
	Uplink Link
	// Elsewhere: this process is in another network namespace than PID 1, so
	// whatever daemons and files say, they say of other links.
	Elsewhere bool

	NM       NMState
	Networkd NetworkdState
	Ifupdown IfupdownState
	// Unsupported names the running stacks that no backend drives: "wicked",
	// "network-scripts", "dhcpcd", "connman".
	Unsupported []string

	// What lies on disk, whoever runs.
	NetplanFiles    []string // below /etc/netplan
	NetplanRenderer string   // the renderer that these name for all links; "" is networkd
	NMFiles         []string // keyfiles below /etc/NetworkManager/system-connections
	NetworkdFiles   []string // .network files below /etc/systemd/network
	Interfaces      bool     // /etc/network/interfaces has an iface beside lo
}

// Link is the uplink.
type Link struct {
	Name  string
	Index int
}

// NMState is what NetworkManager says of the uplink.
type NMState struct {
	Running bool   // org.freedesktop.NetworkManager has an owner
	Managed bool   // the uplink is NetworkManager's
	Profile string // the file of the uplink's active profile; "" is none
	// External: that profile merely shows what others set up, and NetworkManager
	// calls the uplink managed all the same.
	External bool
	Version  string // "1.42.4"
}

// NetworkdState is what systemd-networkd says of the uplink and lo.
type NetworkdState struct {
	Running bool
	State   string // ADMIN_STATE of the uplink
	File    string // NETWORK_FILE of the uplink
	LoFile  string // NETWORK_FILE of lo
}

// IfupdownState is what the ifupdown family says of the uplink.
type IfupdownState struct {
	Version string // the first line of `ifup --version`
	State   string // the state file that names the uplink; "" is none
	// Listed: there is no state file, but networking.service is active and
	// `ifquery --list` names the uplink. That is ifupdown2's way.
	Listed bool
}

// signals lists the view as key=value, in a fixed order.
func (v View) signals() []plugins.Signal {
	return []plugins.Signal{
		{Name: "uplink", Value: or(v.Uplink.Name, "none")},
		{Name: "netns", Value: yes(v.Elsewhere, "other", "init")},
		{Name: "nm", Value: yes(v.NM.Running, or(v.NM.Version, "yes"), "no")},
		{Name: "nm-managed", Value: yes(v.NM.External, "external", yes(v.NM.Managed, or(v.NM.Profile, "yes"), "no"))},
		{Name: "networkd", Value: yes(v.Networkd.Running, or(v.Networkd.State, "yes"), "no")},
		{Name: "networkd-file", Value: or(v.Networkd.File, "none")},
		{Name: "networkd-lo", Value: or(v.Networkd.LoFile, "none")},
		{Name: "ifupdown", Value: or(v.Ifupdown.Version, "no")},
		{Name: "ifstate", Value: or(v.Ifupdown.State, yes(v.Ifupdown.Listed, "ifquery", "no"))},
		{Name: "unsupported", Value: or(join(v.Unsupported), "none")},
		{Name: "files", Value: or(join(v.onDisk()), "none")},
	}
}

// onDisk names the stacks that have files.
func (v View) onDisk() []string {
	var names []string
	for _, s := range []struct {
		stack Stack
		is    bool
	}{
		{Netplan, len(v.NetplanFiles) > 0},
		{NetworkManager, len(v.NMFiles) > 0},
		{Networkd, len(v.NetworkdFiles) > 0},
		{Ifupdown, v.Interfaces},
	} {
		if s.is {
			names = append(names, string(s.stack))
		}
	}
	return names
}

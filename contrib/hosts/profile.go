package hosts

import (
	"fmt"
	"io/fs"
	"slices"
)

// Profile is which stack owns a host's network.
type Profile string

// The profiles. All but Bare give eth0 its two addresses and the default routes.
const (
	Networkd   Profile = "networkd"
	Netplan    Profile = "netplan"    // renderer networkd
	NetplanNM  Profile = "netplan-nm" // renderer NetworkManager
	NM         Profile = "nm"
	NMDebian   Profile = "nm-debian" // as Debian's desktop has it: NetworkManager runs, ifupdown owns eth0
	Ifupdown   Profile = "ifupdown"
	NoSource   Profile = "ifupdown-nosource" // /etc/network/interfaces reads no other file
	Ifupdown2  Profile = "ifupdown2"
	IfupdownNG Profile = "ifupdown-ng"
	Bare       Profile = "bare" // nothing is on
)

// Profiles are all.
var Profiles = []Profile{Networkd, Netplan, NetplanNM, NM, NMDebian, Ifupdown, NoSource, Ifupdown2, IfupdownNG, Bare}

// The wiring of every host: eth0 leads to the network namespace "far", which
// is its gateway. Addresses are of RFC 5737 and RFC 3849.
const (
	Uplink4  = "192.0.2.2/24"
	Uplink6  = "2001:db8:77::2/64"
	Gateway4 = "192.0.2.1"
	Gateway6 = "2001:db8:77::1"
)

// Uplink is what a host's eth0 leads to, and how a profile configures it.
type Uplink struct {
	Addr4, Addr6       string // with prefix length
	Gateway4, Gateway6 string
	// Plug makes eth0 in the network namespace at that path, after each power
	// on. With nil a host has a gateway of its own, the namespace "far".
	Plug func(netns string) error
}

// File is something to lay into a host.
type File struct {
	Content string
	Mode    fs.FileMode
}

// layout is what a profile adds to a root.
type layout struct {
	files   map[string]File
	enable  []string // units
	replace []string // packages, for those of the root that they conflict with
}

// wiring makes eth0, or waits for it, before any stack looks for it.
func wiring(u Uplink) layout {
	lines := ownGateway
	if u.Plug != nil {
		lines = "ExecStart=/bin/sh -c 'until ip link show dev eth0; do sleep 0.05; done'\n"
	}
	return layout{
		enable: []string{"wiring.service"},
		files:  map[string]File{"/etc/systemd/system/wiring.service": {Mode: 0o644, Content: wiringUnit + lines + wiringInstall}},
	}
}

const wiringUnit = `[Unit]
Description=eth0, and what is at its other end
DefaultDependencies=no
After=systemd-sysctl.service
Before=network-pre.target systemd-networkd.service networking.service NetworkManager.service
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
`

const ownGateway = `ExecStart=/bin/ip netns add far
ExecStart=/bin/ip link add eth0 type veth peer name eth0 netns far
ExecStart=/bin/ip -n far link set lo up
ExecStart=/bin/ip -n far link set eth0 up
ExecStart=/bin/ip -n far addr add ` + Gateway4 + `/24 dev eth0
ExecStart=/bin/ip -n far addr add ` + Gateway6 + `/64 dev eth0 nodad
`

const wiringInstall = `[Install]
WantedBy=sysinit.target
`

// shimPath comes before /usr/bin in every PATH.
const shimPath = "/usr/local/sbin/udevadm"

// udevShim lets `netplan apply` before 1.2 get past udevadm, which fails where
// /sys is read-only and no udevd runs, as in a container (LP #2095203).
var udevShim = File{Mode: 0o755, Content: `#!/bin/sh
case $1 in trigger|control|settle) exit 0;; esac
exec /usr/bin/udevadm "$@"
`}

func interfaces(u Uplink) string {
	return `auto lo
iface lo inet loopback

auto eth0
iface eth0 inet static
    address ` + u.Addr4 + `
    gateway ` + u.Gateway4 + `
iface eth0 inet6 static
    address ` + u.Addr6 + `
    gateway ` + u.Gateway6 + `
`
}

func netplanYAML(renderer string, u Uplink) string {
	return `network:
  version: 2
  renderer: ` + renderer + `
  ethernets:
    eth0:
      addresses: [` + u.Addr4 + `, "` + u.Addr6 + `"]
      routes:
      - {to: 0.0.0.0/0, via: ` + u.Gateway4 + `}
      - {to: "::/0", via: "` + u.Gateway6 + `"}
`
}

func ifupdown(u Uplink, source string, replace ...string) layout {
	return layout{
		files:   map[string]File{"/etc/network/interfaces": {Mode: 0o644, Content: source + interfaces(u)}},
		enable:  []string{"networking.service"},
		replace: replace,
	}
}

// layouts has the profiles' own files, as an installer or a person would write them.
func layouts(u Uplink) map[Profile]layout {
	const (
		sourceLine = "source /etc/network/interfaces.d/*\n\n"
		// ifupdown-ng takes no glob: it refuses the whole file.
		sourceDirectory = "source-directory /etc/network/interfaces.d\n\n"
	)
	nmDebian := ifupdown(u, sourceLine)
	nmDebian.enable = append(nmDebian.enable, "NetworkManager.service")
	nmDebian.files["/etc/NetworkManager/NetworkManager.conf"] = File{Mode: 0o644,
		Content: "[main]\nplugins=ifupdown,keyfile\n\n[ifupdown]\nmanaged=false\n"}
	return map[Profile]layout{
		Bare: {},
		Networkd: {enable: []string{"systemd-networkd.service"}, files: map[string]File{
			"/etc/systemd/network/20-eth0.network": {Mode: 0o644, Content: "[Match]\nName=eth0\n\n[Network]\nAddress=" + u.Addr4 + "\nAddress=" + u.Addr6 +
				"\nGateway=" + u.Gateway4 + "\nGateway=" + u.Gateway6 + "\nIPv6AcceptRA=no\n"},
		}},
		Netplan: {enable: []string{"systemd-networkd.service"}, files: map[string]File{
			"/etc/netplan/50-cloud-init.yaml": {Mode: 0o600, Content: netplanYAML("networkd", u)},
			shimPath:                          udevShim,
		}},
		NetplanNM: {enable: []string{"NetworkManager.service"}, files: map[string]File{
			"/etc/netplan/01-network-manager-all.yaml": {Mode: 0o600, Content: netplanYAML("NetworkManager", u)},
			shimPath: udevShim,
			// Ubuntu's own way to have NetworkManager manage all links again.
			"/etc/NetworkManager/conf.d/10-globally-managed-devices.conf": {Mode: 0o644},
		}},
		NM: {enable: []string{"NetworkManager.service"}, files: map[string]File{
			"/etc/NetworkManager/NetworkManager.conf": {Mode: 0o644, Content: "[main]\nplugins=keyfile\n"},
			"/etc/NetworkManager/system-connections/eth0.nmconnection": {Mode: 0o600, Content: `[connection]
id=eth0
uuid=6a1d1f5e-5a0c-4b7e-9d51-000000000001
type=ethernet
interface-name=eth0

[ipv4]
method=manual
address1=` + u.Addr4 + `,` + u.Gateway4 + `

[ipv6]
method=manual
address1=` + u.Addr6 + `,` + u.Gateway6 + `
`},
		}},
		NMDebian:   nmDebian,
		Ifupdown:   ifupdown(u, sourceLine),
		NoSource:   ifupdown(u, ""),
		Ifupdown2:  ifupdown(u, sourceLine, "ifupdown2"),
		IfupdownNG: ifupdown(u, sourceDirectory, "ifupdown-ng"),
	}
}

// layoutOf gives everything that a host of that profile gets on top of its root.
func layoutOf(o Options) (layout, error) {
	l, ok := layouts(o.uplink())[o.Profile]
	if !ok {
		return l, fmt.Errorf("hosts: no profile is called %q; there are: %s", o.Profile, Profiles)
	}
	all := layout{files: map[string]File{}, replace: l.replace}
	for _, part := range []layout{wiring(o.uplink()), l, {files: o.Files, enable: o.Enable}} {
		for path, f := range part.files {
			all.files[path] = f
		}
		all.enable = slices.Concat(all.enable, part.enable)
	}
	return all, nil
}

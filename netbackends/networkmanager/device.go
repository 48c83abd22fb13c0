package networkmanager

import "fmt"

// device is the link that carries the addresses.
type device struct {
	link    string         // connection.interface-name
	kind    string         // connection.type, and the name of the type's own setting
	options map[string]any // of that setting
	uuid    string         // of our profile for it: one for all hosts, so that no crash can double it
}

// The devices that can be chosen.
var (
	dummy    = device{link: "stentor0", kind: "dummy", uuid: "5a0c1f0e-8d0f-4b59-9a5e-7c1d3b0e5f01"}
	loopback = device{link: "lo", kind: "loopback", uuid: "5a0c1f0e-8d0f-4b59-9a5e-7c1d3b0e5f02"}
)

// own tells whether the link lives and dies with our profile.
func (d device) own() bool { return d.link != loopback.link }

// idleMethod is the ipv4.method or ipv6.method of a family that has no address.
// "disabled" keeps the link free of fe80::; for lo NetworkManager refuses it,
// and "auto" does nothing there but keep 127.0.0.1/8 and ::1/128.
func (d device) idleMethod() string {
	if d.own() {
		return "disabled"
	}
	return "auto"
}

// version is NetworkManager's.
type version struct{ major, minor int }

var (
	// loopbackSince: older ones leave lo alone whatever they are told.
	loopbackSince = version{1, 42}
	// preserveSince: NM_DEVICE_REAPPLY_FLAGS_PRESERVE_EXTERNAL_IP can be used.
	// 1.30 does not know it, and 1.42 loses the profile's own IPv6 addresses
	// with it; 1.52 does as it says.
	preserveSince = version{1, 52}
)

// parseVersion reads the beginning of "1.42.4".
func parseVersion(s string) (version, error) {
	var v version
	if n, _ := fmt.Sscanf(s, "%d.%d", &v.major, &v.minor); n != 2 {
		return version{}, fmt.Errorf("NetworkManager calls its version %q", s)
	}
	return v, nil
}

func (v version) atLeast(o version) bool {
	return v.major > o.major || v.major == o.major && v.minor >= o.minor
}

func (v version) String() string { return fmt.Sprintf("%d.%d", v.major, v.minor) }

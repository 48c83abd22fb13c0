// Package host is the kernel's own view of this host: links, addresses and the
// uplink, by netlink. Core believes it alone on what the host holds.
package host

import (
	"fmt"
	"net/netip"
)

// View is what the kernel says at one moment. It is never changed after it was
// handed out.
type View struct {
	Links map[string]Link
	// Addrs are the addresses of all links; one address can stand on several.
	Addrs map[netip.Addr][]Addr
	// Uplink4 and Uplink6 name the links of the default routes; empty if there is none.
	Uplink4, Uplink6 string
}

// Link is one network interface.
type Link struct {
	Name     string
	Index    int
	Loopback bool
	// Up: administratively up, and with carrier where the link has such a thing.
	Up  bool
	Why string // when not Up: "lo is down", "eth0 has no carrier"
	MAC string
}

// Addr is one address as it stands on a link.
type Addr struct {
	Prefix netip.Prefix // with the length that it has there
	Link   string
	// Usable is false while duplicate address detection runs or after it failed
	// (RFC 4862 §5.4).
	Usable     bool
	Deprecated bool // preferred lifetime is over (RFC 4862 §5.5.4)
	Global     bool // scope global
	Secondary  bool // IPv4 only: goes when the primary of its subnet is deleted
	Dynamic    bool // has a lifetime: DHCP or a router advertisement gave it
}

// Holds reports whether this host can serve a: it stands on a link that is up.
// Otherwise why says what is in the way.
func (v View) Holds(a netip.Addr) (ok bool, why string) {
	entries := v.Addrs[a]
	if len(entries) == 0 {
		return false, fmt.Sprintf("%s is not on this host", a)
	}
	for _, e := range entries {
		link := v.Links[e.Link]
		switch {
		case !e.Usable:
			why = fmt.Sprintf("%s on %s is tentative or a duplicate", a, e.Link)
		case !link.Up:
			why = link.Why
		default:
			return true, ""
		}
	}
	return false, why
}

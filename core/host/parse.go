package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// errNoMessage: well-formed, but it does not speak of what was asked for.
var errNoMessage = errors.New("another kind of message")

// placed is an address and the index of the link that it stands on; its Link
// is filled in when a View is made, so that a renamed link keeps its addresses.
type placed struct {
	index int
	Addr
}

// route is a default route.
type route struct {
	family  uint8
	index   int
	gateway netip.Addr
	metric  uint32
}

// parseLink reads an RTM_NEWLINK or RTM_DELLINK (rtnetlink(7), struct ifinfomsg).
func parseLink(b []byte) (Link, error) {
	if len(b) < unix.SizeofIfInfomsg {
		return Link{}, fmt.Errorf("link message of %d bytes", len(b))
	}
	// A bridge tells of its ports in the same group; a port that leaves it is
	// an RTM_DELLINK of family AF_BRIDGE, and the link stays.
	if b[0] != unix.AF_UNSPEC {
		return Link{}, errNoMessage
	}
	l := Link{Index: int(int32(binary.NativeEndian.Uint32(b[4:])))}
	flags := binary.NativeEndian.Uint32(b[8:])
	l.Loopback = flags&unix.IFF_LOOPBACK != 0
	attrs, err := nl.ParseRouteAttr(b[unix.SizeofIfInfomsg:])
	if err != nil {
		return Link{}, fmt.Errorf("attributes of link %d: %w", l.Index, err)
	}
	state := -1
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFLA_IFNAME:
			l.Name = unix.ByteSliceToString(a.Value)
		case unix.IFLA_ADDRESS:
			l.MAC = net.HardwareAddr(a.Value).String()
		case unix.IFLA_OPERSTATE:
			if len(a.Value) == 1 {
				state = int(a.Value[0])
			}
		}
	}
	if l.Name == "" || state < 0 {
		return Link{}, errNoMessage // wireless drivers send events without the state
	}
	l.Up, l.Why = linkUp(l.Name, flags, state)
	return l, nil
}

// Operational states (RFC 2863 §3.1.14; values of linux/if.h).
const (
	operUnknown = 0
	operDormant = 5
	operUp      = 6
)

func linkUp(name string, flags uint32, state int) (up bool, why string) {
	switch {
	case flags&unix.IFF_UP == 0:
		return false, name + " is down"
	case state == operUp || state == operUnknown: // lo and dummy links never leave unknown
		return true, ""
	case state == operDormant:
		return false, name + " is dormant: it waits for an event such as 802.1X authentication"
	}
	return false, name + " has no carrier"
}

// parseAddr reads an RTM_NEWADDR or RTM_DELADDR (rtnetlink(7), struct ifaddrmsg).
func parseAddr(b []byte) (placed, error) {
	if len(b) < unix.SizeofIfAddrmsg {
		return placed{}, fmt.Errorf("address message of %d bytes", len(b))
	}
	family, bits, scope := b[0], int(b[1]), b[3]
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return placed{}, errNoMessage
	}
	flags := uint32(b[2])
	attrs, err := nl.ParseRouteAttr(b[unix.SizeofIfAddrmsg:])
	if err != nil {
		return placed{}, fmt.Errorf("attributes of an address: %w", err)
	}
	var local, remote netip.Addr
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(a.Value)
		case unix.IFA_ADDRESS:
			remote, _ = netip.AddrFromSlice(a.Value)
		case unix.IFA_FLAGS: // the same flags, and those above 8 bits
			if len(a.Value) == 4 {
				flags = binary.NativeEndian.Uint32(a.Value)
			}
		}
	}
	switch {
	case !local.IsValid():
		local = remote // IPv6 without a peer
	case local != remote:
		bits = local.BitLen() // point to point: the length is the peer's
	}
	prefix := netip.PrefixFrom(local, bits)
	if !prefix.IsValid() {
		return placed{}, fmt.Errorf("address message without a valid address")
	}
	tentative := flags&unix.IFA_F_TENTATIVE != 0 && flags&unix.IFA_F_OPTIMISTIC == 0
	return placed{index: int(binary.NativeEndian.Uint32(b[4:])), Addr: Addr{
		Prefix:     prefix,
		Usable:     !tentative && flags&unix.IFA_F_DADFAILED == 0,
		Deprecated: flags&unix.IFA_F_DEPRECATED != 0,
		Global:     scope == unix.RT_SCOPE_UNIVERSE,
		Secondary:  family == unix.AF_INET && flags&unix.IFA_F_SECONDARY != 0,
		Dynamic:    flags&unix.IFA_F_PERMANENT == 0,
	}}, nil
}

// isDefault reports whether a route message (rtnetlink(7), struct rtmsg) speaks
// of a default route of the main table.
func isDefault(b []byte) bool {
	if len(b) < unix.SizeofRtMsg {
		return false
	}
	msg := nl.DeserializeRtMsg(b)
	return msg.Dst_len == 0 && msg.Table == unix.RT_TABLE_MAIN
}

// parseDefault reads an RTM_NEWROUTE if it is a default route of the main table
// that leads out by a link.
func parseDefault(b []byte) (route, error) {
	if !isDefault(b) {
		return route{}, errNoMessage
	}
	msg := nl.DeserializeRtMsg(b)
	if msg.Type != unix.RTN_UNICAST || msg.Flags&unix.RTNH_F_DEAD != 0 {
		return route{}, errNoMessage
	}
	attrs, err := nl.ParseRouteAttr(b[unix.SizeofRtMsg:])
	if err != nil {
		return route{}, fmt.Errorf("attributes of a route: %w", err)
	}
	r := route{family: msg.Family}
	for _, a := range attrs {
		switch {
		case a.Attr.Type == unix.RTA_OIF && len(a.Value) == 4:
			r.index = int(binary.NativeEndian.Uint32(a.Value))
		case a.Attr.Type == unix.RTA_PRIORITY && len(a.Value) == 4:
			r.metric = binary.NativeEndian.Uint32(a.Value)
		case a.Attr.Type == unix.RTA_GATEWAY:
			r.gateway, _ = netip.AddrFromSlice(a.Value)
		case a.Attr.Type == unix.RTA_VIA && len(a.Value) > 2: // family, then address (RFC 8950)
			r.gateway, _ = netip.AddrFromSlice(a.Value[2:])
		case a.Attr.Type == unix.RTA_MULTIPATH && len(a.Value) >= unix.SizeofRtNexthop:
			r.index = int(binary.NativeEndian.Uint32(a.Value[4:])) // the first of them
		}
	}
	if r.index == 0 || (r.family != unix.AF_INET && r.family != unix.AF_INET6) {
		return route{}, errNoMessage
	}
	return r, nil
}

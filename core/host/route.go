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

// Route is how the kernel would send a packet.
type Route struct {
	Link    string
	Gateway netip.Addr // zero: the target is on the link itself
	Source  netip.Addr // the address the kernel would choose as its source
}

// ErrNoRoute is wrapped when the kernel knows no way to an address.
var ErrNoRoute = errors.New("no route")

// RouteTo asks the kernel for the way to addr, as "ip route get" does, in the
// network namespace of the calling OS thread. A zone in addr names the link.
func RouteTo(addr netip.Addr) (Route, error) {
	family := uint8(unix.AF_INET6)
	if addr = addr.Unmap(); addr.Is4() {
		family = unix.AF_INET
	}
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, 0)
	req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: family, Dst_len: uint8(addr.BitLen())}})
	req.AddData(nl.NewRtAttr(unix.RTA_DST, addr.AsSlice()))
	if zone := addr.Zone(); zone != "" {
		link, err := net.InterfaceByName(zone)
		if err != nil {
			return Route{}, fmt.Errorf("%w to %s: there is no link %s", ErrNoRoute, addr, zone)
		}
		req.AddData(nl.NewRtAttr(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(link.Index))))
	}
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	switch {
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH):
		return Route{}, fmt.Errorf("%w to %s", ErrNoRoute, addr)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EINVAL):
		return Route{}, fmt.Errorf("%w to %s: a prohibit or blackhole route stands in the way", ErrNoRoute, addr)
	case err != nil:
		return Route{}, fmt.Errorf("ask the kernel for the route to %s: %w", addr, err)
	case len(msgs) != 1 || len(msgs[0]) < unix.SizeofRtMsg:
		return Route{}, fmt.Errorf("ask the kernel for the route to %s: %d answers", addr, len(msgs))
	}
	return parseRoute(msgs[0])
}

// parseRoute reads the answer to RTM_GETROUTE.
func parseRoute(b []byte) (Route, error) {
	attrs, err := nl.ParseRouteAttr(b[unix.SizeofRtMsg:])
	if err != nil {
		return Route{}, fmt.Errorf("attributes of a route: %w", err)
	}
	var r Route
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.RTA_OIF:
			if len(a.Value) != 4 {
				continue
			}
			link, err := net.InterfaceByIndex(int(binary.NativeEndian.Uint32(a.Value)))
			if err != nil {
				return Route{}, fmt.Errorf("link of a route: %w", err)
			}
			r.Link = link.Name
		case unix.RTA_GATEWAY:
			r.Gateway, _ = netip.AddrFromSlice(a.Value)
		case unix.RTA_VIA: // IPv4 through an IPv6 gateway (RFC 8950): family, then address
			if len(a.Value) > 2 {
				r.Gateway, _ = netip.AddrFromSlice(a.Value[2:])
			}
		case unix.RTA_PREFSRC:
			r.Source, _ = netip.AddrFromSlice(a.Value)
		}
	}
	return r, nil
}

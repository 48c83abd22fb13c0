// Package kernel puts addresses on links by netlink, for all network backends.
package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// timeout bounds the wait for one answer of the kernel.
const timeout = 10 * time.Second

// lifetimeForever is INFINITY_LIFE_TIME (RFC 4861 §4.6.2).
const lifetimeForever = 0xffffffff

// Conn asks the kernel in the network namespace where it was opened. It is not
// for use by several goroutines at once.
type Conn struct {
	lists    *netlink.Handle
	requests map[int]*nl.SocketHandle
}

// Open connects in the network namespace of the calling OS thread.
func Open() (*Conn, error) {
	lists, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	socket, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		lists.Close()
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	c := &Conn{lists, map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: socket}}}
	tv := unix.NsecToTimeval(timeout.Nanoseconds())
	err = errors.Join(lists.SetSocketTimeout(timeout), socket.SetSendTimeout(&tv), socket.SetReceiveTimeout(&tv))
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	return c, nil
}

// Close frees the connection.
func (c *Conn) Close() {
	c.lists.Close()
	c.requests[unix.NETLINK_ROUTE].Close()
}

// Link is one network interface.
type Link struct {
	Name     string
	Index    int
	Loopback bool
	Up       bool // administratively up, and not without carrier
}

// Address is one address as it stands on a link.
type Address struct {
	Prefix  netip.Prefix // with the length that it has there
	Index   int          // of the link
	Dynamic bool         // has a lifetime: DHCP or a router advertisement gave it
}

// Links lists all links.
func (c *Conn) Links() ([]Link, error) {
	list, err := steady(c.lists.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	links := make([]Link, len(list))
	for i, l := range list {
		a := l.Attrs()
		links[i] = Link{
			Name:     a.Name,
			Index:    a.Index,
			Loopback: a.RawFlags&unix.IFF_LOOPBACK != 0,
			Up:       a.RawFlags&unix.IFF_UP != 0 && (a.OperState == netlink.OperUp || a.OperState == netlink.OperUnknown),
		}
	}
	return links, nil
}

// Addresses lists the addresses of all links.
func (c *Conn) Addresses() ([]Address, error) {
	list, err := steady(func() ([]netlink.Addr, error) { return c.lists.AddrList(nil, unix.AF_UNSPEC) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	addrs := make([]Address, 0, len(list))
	for _, a := range list {
		if a.IPNet == nil {
			continue // of another family, as MCTP
		}
		if p := prefix(*a.IPNet); p.IsValid() {
			addrs = append(addrs, Address{Prefix: p, Index: a.LinkIndex, Dynamic: a.Flags&unix.IFA_F_PERMANENT == 0})
		}
	}
	return addrs, nil
}

// steady asks again while the list changes under the kernel's hands: such an
// answer may lack an entry that never moved (NLM_F_DUMP_INTR).
func steady[T any](list func() ([]T, error)) ([]T, error) {
	deadline := time.Now().Add(timeout)
	for {
		all, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) || time.Now().After(deadline) {
			return all, err
		}
	}
}

// Add puts a on l as a host address. An IPv6 address comes without duplicate
// address detection, which on lo has nobody to ask and only delays it, and with
// preferred lifetime 0: it serves, and is not chosen as a source while the host
// has another (RFC 6724 §5, rule 3). The error is a fs.ErrExist when the
// link has the address already.
func (c *Conn) Add(l Link, a netip.Addr) error {
	return c.change(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, l, a)
}

// Delete takes the host address a from l. The error is a fs.ErrNotExist when
// it is not there.
func (c *Conn) Delete(l Link, a netip.Addr) error {
	return c.change(unix.RTM_DELADDR, 0, l, a)
}

func (c *Conn) change(verb, flags int, l Link, a netip.Addr) error {
	msg := nl.NewIfAddrmsg(unix.AF_INET)
	msg.Prefixlen = uint8(a.BitLen())
	msg.Index = uint32(l.Index)
	msg.Scope = unix.RT_SCOPE_UNIVERSE
	req := nl.NewNetlinkRequest(verb, flags|unix.NLM_F_ACK)
	req.Sockets = c.requests
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, a.AsSlice()))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, a.AsSlice()))
	if a.Is6() {
		msg.Family = unix.AF_INET6
		if verb == unix.RTM_NEWADDR {
			msg.Flags = unix.IFA_F_NODAD
			req.AddData(nl.NewRtAttr(unix.IFA_CACHEINFO, lifetimes(0, lifetimeForever)))
		}
	}
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	if err == nil {
		return nil
	}
	verbing := "add"
	if verb == unix.RTM_DELADDR {
		verbing = "delete"
	}
	return fmt.Errorf("%s %s on %s: %w", verbing, netip.PrefixFrom(a, a.BitLen()), l.Name, inWords(err, l, a))
}

// lifetimes is a struct ifa_cacheinfo, in seconds; the kernel reads no more of
// it than these two.
func lifetimes(preferred, valid uint32) []byte {
	b := binary.NativeEndian.AppendUint32(nil, preferred)
	b = binary.NativeEndian.AppendUint32(b, valid)
	return append(b, make([]byte, 8)...)
}

package bfd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	maxTTL = 255
	// Source ports are from here on (RFC 5881 §4).
	firstSource = 49152
	// dials is how many source ports are tried before it is given up for now.
	dials = 16
	// tos is CS6, the class of routing protocols (RFC 4594 §3.2), and priority
	// what the queues of this host make of it: no other packet goes before these.
	tos      = 0xc0
	priority = 6
)

// listener reads what comes to a port.
type listener struct {
	door     door
	endpoint *Endpoint
	conn     *net.UDPConn
	raw      syscall.RawConn
}

func listen(d door, e *Endpoint) (*listener, error) {
	network, any := "udp4", netip.IPv4Unspecified()
	level, wantTTL := unix.IPPROTO_IP, unix.IP_RECVTTL
	if d.v6 {
		network, any = "udp6", netip.IPv6Unspecified()
		level, wantTTL = unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT
	}
	c := net.ListenConfig{Control: onSocket(func(fd int) error { return unix.SetsockoptInt(fd, level, wantTTL, 1) })}
	conn, err := c.ListenPacket(context.Background(), network, netip.AddrPortFrom(any, d.port()).String())
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("UDP port %d is taken: does another BFD daemon run on this host? (ss -ulpn 'sport = %d')", d.port(), d.port())
	} else if err != nil {
		return nil, err
	}
	l := &listener{door: d, endpoint: e, conn: conn.(*net.UDPConn)}
	if l.raw, err = l.conn.SyscallConn(); err != nil {
		conn.Close()
		return nil, err
	}
	go l.read()
	return l, nil
}

// The room for one packet, where a longer one is cut off, and for its TTL.
const (
	packetRoom  = maxLen
	controlRoom = 64
)

func (l *listener) read() {
	b, control := make([]byte, packetRoom), make([]byte, controlRoom)
	for {
		n, more, _, from, err := l.conn.ReadMsgUDPAddrPort(b, control)
		if err != nil {
			l.endpoint.lost(l)
			return
		}
		l.take(from.Addr(), b[:n], control[:more])
	}
}

// drain reads what is there already, beside read, which may not have been
// given the time to.
func (l *listener) drain() {
	b, control := make([]byte, packetRoom), make([]byte, controlRoom)
	_ = l.raw.Control(func(fd uintptr) { // fails on a closed socket alone, which has nothing
		for {
			n, more, _, from, err := unix.Recvmsg(int(fd), b, control, unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			switch from := from.(type) {
			case *unix.SockaddrInet4:
				l.take(netip.AddrFrom4(from.Addr), b[:n], control[:more])
			case *unix.SockaddrInet6:
				l.take(netip.AddrFrom16(from.Addr), b[:n], control[:more])
			}
		}
	})
}

func (l *listener) take(from netip.Addr, b, control []byte) {
	l.endpoint.take(route{from.WithZone(""), l.door.multihop}, b, control)
}

// ttlOf reads the TTL or hop limit that a packet came with; 0 if it is not told.
func ttlOf(control []byte) int {
	all, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0
	}
	for _, m := range all {
		isTTL := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TTL
		isHops := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_HOPLIMIT
		if (isTTL || isHops) && len(m.Data) >= 4 {
			return int(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return 0
}

// wire is the link of one session: packets go out from a port of its own.
type wire struct {
	endpoint *Endpoint
	session  *Session // set before its goroutine gets to close the link
	route    route
	local    netip.Addr
	conn     net.Conn
}

func (w *wire) send(b []byte) error {
	if err := w.endpoint.listen(w.route); err != nil {
		return err
	}
	if w.conn == nil {
		var err error
		if w.conn, err = dial(w.route, w.local); err != nil {
			return err
		}
	}
	_, err := w.conn.Write(b)
	if errors.Is(err, syscall.ECONNREFUSED) { // an answer to the last one, and this one was not sent
		if _, err = w.conn.Write(b); err == nil {
			return nil
		}
	}
	if err != nil { // the source may be no address of this host any more
		w.conn.Close()
		w.conn = nil
	}
	return err
}

func (w *wire) drain() { w.endpoint.drain(w.route.door()) }

func (w *wire) close() {
	if w.conn != nil {
		w.conn.Close()
	}
	w.endpoint.drop(w.route, w.session)
}

// dial opens the socket that a session sends from.
func dial(r route, local netip.Addr) (conn net.Conn, err error) {
	network, any := "udp4", netip.IPv4Unspecified()
	level, hops, class := unix.IPPROTO_IP, unix.IP_TTL, unix.IP_TOS
	if r.peer.Is6() {
		network, any = "udp6", netip.IPv6Unspecified()
		level, hops, class = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_TCLASS
	}
	if !local.IsValid() {
		local = any
	}
	d := net.Dialer{Control: onSocket(func(fd int) error {
		return errors.Join(unix.SetsockoptInt(fd, level, hops, maxTTL), unix.SetsockoptInt(fd, level, class, tos),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, priority))
	})}
	for range dials {
		source := uint16(firstSource + rand.N(1<<16-firstSource))
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, source))
		conn, err = d.Dial(network, netip.AddrPortFrom(r.peer, r.door().port()).String())
		if !errors.Is(err, syscall.EADDRINUSE) {
			return conn, err
		}
	}
	return nil, err
}

// onSocket runs f on a socket before it is bound.
func onSocket(f func(fd int) error) func(_, _ string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		if err := c.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
			return err
		}
		return failed
	}
}

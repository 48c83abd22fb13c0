package session

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/plugins"
)

const port = 179

// dial connects to the peer with what the kernel does for a session: signatures
// (RFC 2385, RFC 5925), the TTL, and GTSM (RFC 5082).
func dial(ctx context.Context, p plugins.Peer, external bool) (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) { failed = options(int(fd), p, external) })
		if err != nil {
			return err
		}
		return failed
	}}
	d.SetMultipathTCP(false) // MD5 and TTL are for plain TCP
	if p.LocalAddr.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.LocalAddr, 0))
	}
	return d.DialContext(ctx, "tcp", netip.AddrPortFrom(p.Addr, port).String())
}

// options sets what must be there before the first SYN.
func options(fd int, p plugins.Peer, external bool) error {
	if p.Password != "" {
		sig := &unix.TCPMD5Sig{Addr: sockaddr(p.Addr), Keylen: uint16(len(p.Password))}
		copy(sig.Key[:], p.Password)
		if err := unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, sig); err != nil {
			return fmt.Errorf("the kernel takes no TCP-MD5 key: %w", err)
		}
	}
	if p.AO.Key != "" {
		if err := addAO(fd, p.Addr, p.AO); err != nil {
			return fmt.Errorf("the kernel takes no TCP-AO key: %w", err)
		}
	}
	// CS6 is the class of routing protocols (RFC 4594 §3.2).
	level, tos, hops, minHops := unix.IPPROTO_IP, unix.IP_TOS, unix.IP_TTL, unix.IP_MINTTL
	if p.Addr.Is6() {
		level, tos, hops, minHops = unix.IPPROTO_IPV6, unix.IPV6_TCLASS, unix.IPV6_UNICAST_HOPS, unix.IPV6_MINHOPCOUNT
	}
	const cs6 = 0xc0
	if err := unix.SetsockoptInt(fd, level, tos, cs6); err != nil {
		return fmt.Errorf("traffic class of the session: %w", err)
	}
	ttl, least := 0, 0
	switch {
	case p.TTLSecurity > 0:
		ttl, least = 255, 256-p.TTLSecurity
	case p.TTL > 0:
		ttl = p.TTL
	case external:
		ttl = 1
	}
	if ttl > 0 {
		if err := unix.SetsockoptInt(fd, level, hops, ttl); err != nil {
			return fmt.Errorf("TTL of the session: %w", err)
		}
	}
	if least > 0 {
		if err := unix.SetsockoptInt(fd, level, minHops, least); err != nil {
			return fmt.Errorf("TTL security of the session: %w", err)
		}
	}
	return nil
}

// sockaddr is a struct sockaddr_storage without a port: an MD5 key is for an
// address (tcp(7)). Data begins with the port, and for IPv6 the flow label.
func sockaddr(a netip.Addr) unix.SockaddrStorage {
	var s unix.SockaddrStorage
	if a.Is4() {
		s.Family = unix.AF_INET
		copy(s.Data[2:], a.AsSlice())
	} else {
		s.Family = unix.AF_INET6
		copy(s.Data[6:], a.AsSlice())
	}
	return s
}

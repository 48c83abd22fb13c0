package rs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Security is how the sessions of a listener are protected.
type Security struct {
	Password string // TCP-MD5 key (RFC 2385) of every neighbor; empty is none
	// TTLSecurity is GTSM (RFC 5082): neighbors are at most so many hops away,
	// and both sides send with TTL 255. 0 is off.
	TTLSecurity int
}

// Listen opens addr for BGP in the network namespace of the calling thread.
func Listen(addr netip.AddrPort, neighbors []Neighbor, sec Security) (net.Listener, error) {
	var options error
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		err := c.Control(func(fd uintptr) { options = sec.apply(int(fd), addr.Addr(), neighbors) })
		return errors.Join(err, options)
	}}
	// A Multipath TCP listener knows neither TCP-MD5 nor a TTL of its own.
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("route server: %w", err)
	}
	return l, nil
}

// apply sets the options on a listener; what it accepts inherits them (tcp(7)).
func (sec Security) apply(fd int, local netip.Addr, neighbors []Neighbor) error {
	if sec.Password != "" {
		for _, n := range neighbors {
			if err := unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, md5Sig(n.Addr, sec.Password)); err != nil {
				return fmt.Errorf("set TCP-MD5 key for %s: %w", n.Addr, err)
			}
		}
	}
	if sec.TTLSecurity == 0 {
		return nil
	}
	least := 256 - sec.TTLSecurity
	if local.Is4() {
		return errors.Join(
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, 255),
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, least))
	}
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 255),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, least))
}

func md5Sig(neighbor netip.Addr, key string) *unix.TCPMD5Sig {
	sig := &unix.TCPMD5Sig{Keylen: uint16(len(key))}
	copy(sig.Key[:], key)
	// The address lies behind the port of a sockaddr_in, and behind port and
	// flow label of a sockaddr_in6.
	sig.Addr.Family = unix.AF_INET6
	at := 6
	if neighbor.Is4() {
		sig.Addr.Family, at = unix.AF_INET, 2
	}
	copy(sig.Addr.Data[at:], neighbor.AsSlice())
	return sig
}

package bgppeer

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// setKeys puts the TCP-MD5 keys on a listening socket.
func setKeys(rc syscall.RawConn, keys map[netip.Addr]string) error {
	var err error
	ctlErr := rc.Control(func(fd uintptr) {
		for addr, key := range keys {
			var sig unix.TCPMD5Sig
			if len(key) > len(sig.Key) {
				err = fmt.Errorf("key of %d octets", len(key))
				return
			}
			if addr.Is4() {
				a := addr.As4()
				sig.Addr.Family = unix.AF_INET
				copy(sig.Addr.Data[2:], a[:]) // behind the port of sockaddr_in
			} else {
				a := addr.As16()
				sig.Addr.Family = unix.AF_INET6
				copy(sig.Addr.Data[6:], a[:]) // behind port and flow label of sockaddr_in6
			}
			sig.Keylen = uint16(copy(sig.Key[:], key))
			if err = unix.SetsockoptTCPMD5Sig(int(fd), unix.IPPROTO_TCP, unix.TCP_MD5SIG, &sig); err != nil {
				return
			}
		}
	})
	return errors.Join(ctlErr, err)
}

// setTTL sets both TTLs on a listening socket; what it accepts inherits them
// (ip(7), ipv6(7)).
func setTTL(rc syscall.RawConn, cfg Config) error {
	level, sent, least := unix.IPPROTO_IP, unix.IP_TTL, unix.IP_MINTTL
	if cfg.Listen.Addr().Is6() {
		level, sent, least = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_MINHOPCOUNT
	}
	var err error
	ctlErr := rc.Control(func(fd uintptr) {
		if cfg.TTL > 0 {
			err = unix.SetsockoptInt(int(fd), level, sent, cfg.TTL)
		}
		if cfg.MinTTL > 0 {
			err = errors.Join(err, unix.SetsockoptInt(int(fd), level, least, cfg.MinTTL))
		}
	})
	return errors.Join(ctlErr, err)
}

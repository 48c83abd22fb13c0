package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"golang.org/x/sys/unix"
)

// inWords says what an errno of rtnetlink means for an address, with the fix.
func inWords(err error, l Link, a netip.Addr) error {
	switch {
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("it is there already (%w)", fs.ErrExist)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("it is not there (%w)", fs.ErrNotExist)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("there is no link %s any more (%w)", l.Name, fs.ErrNotExist)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: needs CAP_NET_ADMIN (run as root)", fs.ErrPermission)
	case errors.Is(err, unix.EACCES) && a.Is6():
		// Not wrapped: EACCES counts as fs.ErrPermission, and root gets it too.
		return fmt.Errorf("IPv6 is disabled on %s (sysctl net.ipv6.conf.%s.disable_ipv6)", l.Name, l.Name)
	case a.Is6() && (errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP)):
		return errors.New("this kernel runs without IPv6 (boot option ipv6.disable, or module ipv6 not loaded)")
	}
	return err
}

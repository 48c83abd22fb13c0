package host

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// eventBuffer is the receive buffer of an event socket, in bytes. One event
// takes about 1 KiB of it, so a burst of 10,000 addresses fits.
const eventBuffer = 16 << 20

// errMissed: the kernel dropped events, so the table has to be read anew.
var errMissed = errors.New("netlink events were lost")

// eventSocket hears rtnetlink multicast groups (rtnetlink(7)).
type eventSocket struct {
	file *os.File
	conn syscall.RawConn
	buf  []byte
}

// subscribe joins groups in the network namespace of the calling thread.
func subscribe(groups ...int) (*eventSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	s := &eventSocket{file: os.NewFile(uintptr(fd), "rtnetlink events"), buf: make([]byte, 64<<10)}
	if err := s.setUp(fd, groups); err != nil {
		s.close()
		return nil, fmt.Errorf("subscribe to netlink events: %w", err)
	}
	return s, nil
}

func (s *eventSocket) setUp(fd int, groups []int) error {
	// SO_RCVBUFFORCE goes beyond net.core.rmem_max, but needs CAP_NET_ADMIN.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, eventBuffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, eventBuffer); err != nil {
			return err
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for _, g := range groups {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g); err != nil {
			return err
		}
	}
	var err error
	s.conn, err = s.file.SyscallConn()
	return err
}

// receive gives the next events. With wait it blocks until there is one, and
// else gives nothing when the queue is empty.
func (s *eventSocket) receive(wait bool) ([]syscall.NetlinkMessage, error) {
	var (
		n, flags int
		from     unix.Sockaddr
		err      error
	)
	waitErr := s.conn.Read(func(fd uintptr) bool {
		n, _, flags, from, err = unix.Recvmsg(int(fd), s.buf, nil, 0)
		return err != unix.EAGAIN || !wait
	})
	switch {
	case waitErr != nil:
		return nil, waitErr
	case err == unix.EAGAIN || err == unix.EINTR:
		return nil, nil
	case err == unix.ENOBUFS || flags&unix.MSG_TRUNC != 0:
		return nil, errMissed
	case err != nil:
		return nil, err
	}
	if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
		return nil, nil // not from the kernel: any process may send to us
	}
	// The messages alias the buffer otherwise, and outlive this call.
	return syscall.ParseNetlinkMessage(append([]byte(nil), s.buf[:n]...))
}

// skip throws away what is queued, once some was missed: Linux gives the socket
// nothing more until that was read (netlink_overrun), and a look at the host
// comes after all of it, while what would undo a part of it was dropped.
func (s *eventSocket) skip() error {
	for {
		var err error
		waitErr := s.conn.Read(func(fd uintptr) bool {
			_, _, _, _, err = unix.Recvmsg(int(fd), s.buf, nil, 0)
			return true
		})
		switch {
		case waitErr != nil:
			return waitErr
		case err == unix.EAGAIN:
			return nil
		case err != nil && err != unix.ENOBUFS && err != unix.EINTR:
			return err
		}
	}
}

// interrupt ends a receive that waits, now and later.
func (s *eventSocket) interrupt() { _ = s.file.SetReadDeadline(time.Unix(1, 0)) }

func (s *eventSocket) close() { _ = s.file.Close() }

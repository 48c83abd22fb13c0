package session

import (
	"bytes"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/bgpbackends/native/wire"
)

// drowsy reads from a peer without waking this process for a KEEPALIVE alone,
// which has no news but that the peer lives: the kernel knows when it came. Any
// other message is longer, and the end of the connection wakes it too. Who is
// awake for something else takes what lies there (see take).
type drowsy struct {
	net.Conn
	raw    syscall.RawConn // nil where Conn is no socket, which is never drowsy
	drowse bool            // the next Read begins at the first byte of a message, of a session that is established

	mu     sync.Mutex // guards the rest, and reading from raw
	low    int        // the socket's SO_RCVLOWAT; 0: not known
	asleep bool       // a Read that began so waits for more than a KEEPALIVE
	seen   [4 * wire.KeepaliveLen]byte
}

func newDrowsy(conn net.Conn) *drowsy {
	d := &drowsy{Conn: conn}
	if c, ok := conn.(syscall.Conn); ok {
		d.raw, _ = c.SyscallConn()
	}
	return d
}

func (d *drowsy) Read(b []byte) (n int, err error) {
	if d.raw == nil {
		return d.Conn.Read(b)
	}
	drowse, low := d.drowse, 1
	if drowse {
		low = wire.KeepaliveLen + 1
	}
	d.drowse = false
	failed := d.raw.Read(func(fd uintptr) (done bool) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.asleep { // take may want it lower
			d.wakeAt(fd, low)
		}
		n, err = unix.Read(int(fd), b)
		for err == unix.EINTR {
			n, err = unix.Read(int(fd), b)
		}
		d.asleep = drowse && err == unix.EAGAIN
		return err != unix.EAGAIN
	})
	switch {
	case failed != nil:
		return 0, failed
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// wakeAt sets how many bytes wake the reader (SO_RCVLOWAT, socket(7)). Where that
// can't be had, the first does.
func (d *drowsy) wakeAt(fd uintptr, bytes int) {
	if bytes != d.low && unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes) == nil {
		d.low = bytes
	}
}

// take takes the KEEPALIVEs that lie there while the reader is asleep, and tells
// whether there was one. The reader is woken for anything else.
func (d *drowsy) take() (heard bool) {
	d.whileAsleep(func(fd uintptr) {
		n, _, err := unix.Recvfrom(int(fd), d.seen[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err != nil || n <= 0 {
			return // nothing, or the end, which wakes the reader by itself
		}
		if !areKeepalives(d.seen[:n]) {
			d.wakeAt(fd, 1)
			return
		}
		n, err = unix.Read(int(fd), d.seen[:n])
		heard = err == nil && n > 0
	})
	return heard
}

func areKeepalives(b []byte) bool {
	one := wire.AppendKeepalive(make([]byte, 0, wire.KeepaliveLen))
	for len(b) > 0 {
		var is bool
		if b, is = bytes.CutPrefix(b, one); !is {
			return false
		}
	}
	return true
}

// lastHeard is how long ago the peer's last message came, to the millisecond
// (TCP_INFO, tcp(7)), once all was taken. It is very long where that can't be
// known, as with part of a message.
func (d *drowsy) lastHeard() (ago time.Duration) {
	ago = math.MaxInt64
	d.whileAsleep(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		if left, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ); err == nil && left == 0 {
			ago = time.Duration(info.Last_data_recv) * time.Millisecond
		}
	})
	return ago
}

// whileAsleep does something with the socket if the reader is asleep, which it
// then stays.
func (d *drowsy) whileAsleep(do func(fd uintptr)) {
	if d.raw == nil {
		return
	}
	_ = d.raw.Control(func(fd uintptr) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.asleep {
			do(fd)
		}
	})
}

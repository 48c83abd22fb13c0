package session

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/bgpbackends/native/wire"
)

// drowsy reads from a peer without waking this process for a KEEPALIVE alone,
// which has no news but that the peer lives: the kernel knows when it came. Any
// other message is longer, and the end of the connection wakes it too. What lies
// there is read when this end has something to say (see rouse).
type drowsy struct {
	net.Conn
	drowse bool // the next Read begins at the first byte of a message, of a session that is established
	low    int  // the socket's SO_RCVLOWAT; 0: not known
}

func (d *drowsy) Read(b []byte) (int, error) {
	low := 1
	if d.drowse {
		low, d.drowse = wire.KeepaliveLen+1, false
	}
	if low != d.low && lowWater(d.Conn, low) {
		d.low = low
	}
	n, err := d.Conn.Read(b)
	if low > 1 {
		d.low = 0 // somebody may have roused it
	}
	return n, err
}

// rouse has the reader take what has come, however little it is.
func rouse(conn net.Conn) {
	if waiting(conn) > 0 { // else the next KEEPALIVE would wake it
		lowWater(conn, 1)
	}
}

// waiting is how many bytes have come and were not read (tcp(7)).
func waiting(conn net.Conn) (bytes int) {
	control(conn, func(fd int) { bytes, _ = unix.IoctlGetInt(fd, unix.SIOCINQ) })
	return bytes
}

// lowWater sets how many bytes wake a reader (socket(7)), and tells whether that
// can be had.
func lowWater(conn net.Conn, bytes int) (done bool) {
	control(conn, func(fd int) { done = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes) == nil })
	return done
}

// lastHeard is how long ago the peer's last data came, to the millisecond
// (TCP_INFO, tcp(7)); 0 if the kernel can't tell.
func lastHeard(conn net.Conn) (ago time.Duration) {
	control(conn, func(fd int) {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			ago = time.Duration(info.Last_data_recv) * time.Millisecond
		}
	})
	return ago
}

// control does something with a connection's socket, if it has one.
func control(conn net.Conn, do func(fd int)) {
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { do(int(fd)) })
		}
	}
}

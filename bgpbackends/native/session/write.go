package session

import (
	"net"
	"syscall"
	"time"
)

// writeLimit is how long a peer may take nothing in.
const writeLimit = 10 * time.Second

func (s *Session) write(messages []byte) error {
	if len(messages) == 0 {
		return nil
	}
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn == nil {
		return net.ErrClosed
	}
	rest := messages[atOnce(conn, messages):]
	if len(rest) == 0 {
		return nil
	}
	if err := conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	_, err := conn.Write(rest)
	return err
}

// atOnce writes what the kernel takes without a wait, which nearly always is all
// of it, and tells how much that was. A deadline for that would wake this
// process later for nothing.
func atOnce(conn net.Conn, b []byte) int {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	_ = raw.Write(func(fd uintptr) bool {
		n, _ = syscall.Write(int(fd), b)
		return true // also if it would have to wait
	})
	return max(n, 0) // what failed fails again with the rest
}

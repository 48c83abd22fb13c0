package gobgp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stentor-net/stentor/plugins"
)

func TestNotificationWords(t *testing.T) {
	for _, c := range []struct {
		code, subcode uint8
		want          string
	}{
		{6, 2, "Cease: Administrative Shutdown (6/2)"},
		{2, 2, "OPEN Message Error: Bad Peer AS; check the AS numbers on both sides (2/2)"},
		{4, 0, "Hold Timer Expired: no KEEPALIVE came within the Hold Time (4/0)"},
		{3, 99, "UPDATE Message Error (3/99)"},
		{99, 1, "unknown error (99/1)"},
	} {
		if got := notificationWords(c.code, c.subcode); got != c.want {
			t.Errorf("%d/%d: %q, want %q", c.code, c.subcode, got, c.want)
		}
	}
}

func TestReasonWords(t *testing.T) {
	for _, c := range []struct {
		from   plugins.SessionState
		reason string
		want   string
	}{
		{plugins.StateEstablished, "hold-timer-expired", "no KEEPALIVE from the peer within the Hold Time"},
		{plugins.StateEstablished, "read-failed", "the peer closed the connection"},
		{plugins.StateOpenSent, "read-failed", "the peer closed the connection before the session was up; it may not know this host as a neighbour"},
		{plugins.StateOpenConfirm, "invalid-msg", "the peer refused our OPEN; check the AS numbers and router IDs on both sides"},
		{plugins.StateEstablished, "invalid-msg", "invalid msg"},
		{plugins.StateEstablished, "write-failed", "sending to the peer failed"},
		{plugins.StateEstablished, "graceful-restart", "the connection was lost"},
		{plugins.StateEstablished, "notification-received code 6(cease)", "notification received code 6(cease)"},
	} {
		if got := reasonWords(c.from, c.reason); got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.reason, c.from, got, c.want)
		}
	}
}

func TestDialWords(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{dial(syscall.ECONNREFUSED), "connection refused: nothing listens on the peer's port 179, or a firewall rejects it"},
		{dial(syscall.EHOSTUNREACH), "no route to the peer"},
		{dial(syscall.ENETUNREACH), "no route to the peer"},
		{dial(syscall.EADDRNOTAVAIL), "the local address is not on this host"},
		{dial(syscall.EACCES), "connect: permission denied"},
		{dial(syscall.ETIMEDOUT), ""},
		{fmt.Errorf("dial: %w", context.DeadlineExceeded), ""},
		{errors.New("odd"), "connect: odd"},
	} {
		got, answered := dialWords(c.err)
		if got != c.want || answered != (c.want != "") {
			t.Errorf("%v: %q %v, want %q", c.err, got, answered, c.want)
		}
	}
}

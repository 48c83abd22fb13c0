package frr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

const (
	// maxAnswer bounds one answer of a daemon.
	maxAnswer = 32 << 20
	// dialTime bounds a wait for a daemon that hangs.
	dialTime = 2 * time.Second
)

// errDown tells that a daemon does not run: nobody listens on its socket.
var errDown = errors.New("nobody listens on its socket")

// errRefused tells that a daemon does not know a command.
var errRefused = errors.New("FRR refused")

// downError is errDown of bgpd, for people.
type downError struct{}

func (downError) Error() string {
	return "bgpd does not answer; start it: systemctl start frr (with bgpd=yes in /etc/frr/daemons)"
}
func (downError) Unwrap() []error { return []error{errDown, plugins.ErrUnavailable} }

// daemon is a connection to one FRR daemon, on the socket that vtysh uses too:
// a command goes there with a 0 byte after it, an answer comes back with three,
// and one more byte that is vtysh's exit code (vtysh_client_run in FRR's
// vtysh.c). To start a vtysh for each look at the sessions would cost a process
// each time.
type daemon struct {
	conn net.Conn
}

// dial connects to a daemon.
func dial(ctx context.Context, socket string) (*daemon, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil, errDown
	case err != nil:
		return nil, err
	}
	d := &daemon{conn: conn}
	if _, err := d.run(ctx, "enable"); err != nil {
		conn.Close()
		return nil, err
	}
	return d, nil
}

func (d *daemon) close() { d.conn.Close() }

// run gives the answer to one command.
func (d *daemon) run(ctx context.Context, command string) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { d.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := d.conn.Write(append([]byte(command), 0)); err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	var answer []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := d.conn.Read(buf)
		answer = append(answer, buf[:n]...)
		text, code, done := endOfAnswer(answer)
		switch {
		case done && code != 0:
			return nil, fmt.Errorf("%w %q: %s", errRefused, mask(command), mask(string(bytes.TrimSpace(text))))
		case done:
			return text, nil
		case err != nil:
			return nil, errors.Join(ctx.Err(), err)
		case len(answer) > maxAnswer:
			return nil, fmt.Errorf("FRR's answer to %q is too long", command)
		}
	}
}

// endOfAnswer finds the three 0 bytes and the code after them.
func endOfAnswer(answer []byte) (text []byte, code byte, done bool) {
	text, rest, found := bytes.Cut(answer, []byte{0, 0, 0})
	if !found || len(rest) == 0 {
		return nil, 0, false
	}
	return text, rest[0], true
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// dial connects to a daemon by its name.
func (b *Backend) dial(ctx context.Context, name string) (*daemon, error) {
	socket := b.settings.socket(name)
	d, err := dial(ctx, socket)
	switch {
	case errors.Is(err, errDown) && name != bgpdName, err == nil:
		return d, err
	case errors.Is(err, errDown):
		return nil, downError{}
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("no permission for %s; run stentor as root, or in group frrvty: %w", socket, plugins.ErrUnavailable)
	}
	return nil, fmt.Errorf("%s does not answer: %w (%w)", name, err, plugins.ErrUnavailable)
}

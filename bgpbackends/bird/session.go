package bird

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// replyTime bounds the wait for one reply; BIRD answers in milliseconds,
// unless it is busy with a full table.
const replyTime = 10 * time.Second

// session is one connection to BIRD's control socket. One command is under
// way at a time.
type session struct {
	conn    net.Conn
	in      *bufio.Reader
	last    int // code of the last line
	version version
}

// errDown says that nothing serves the control socket.
var errDown = errors.New("BIRD is not running")

// dial connects and reads the greeting. A BIRD that is not there is an errDown.
func dial(ctx context.Context, socket string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, replyTime)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("no permission for BIRD's control socket %s: run stentor as root, or in the group that owns the socket: %w", socket, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w: nothing serves its control socket %s; start it (systemctl start bird), or name the right socket in [backend.bird]: %w",
			errDown, socket, plugins.ErrUnavailable)
	case err != nil:
		return nil, fmt.Errorf("BIRD's control socket %s: %w: %w", socket, err, plugins.ErrUnavailable)
	}
	s := &session{conn: conn, in: bufio.NewReaderSize(conn, maxLine)}
	greeting, err := s.read(ctx)
	if err == nil {
		s.version, err = parseGreeting(greeting.text(-1))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) close() { s.conn.Close() }

// ask sends one command. A reply of class 8 or 9 is a *refusal.
func (s *session) ask(ctx context.Context, command string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, replyTime)
	defer cancel()
	deadline, _ := ctx.Deadline()
	s.conn.SetWriteDeadline(deadline)
	if _, err := s.conn.Write([]byte(command + "\n")); err != nil {
		return nil, s.lost(err)
	}
	r, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	if r.code() >= 8000 {
		return r, &refusal{command, r}
	}
	return r, nil
}

// read waits for one reply, or the end of ctx.
func (s *session) read(ctx context.Context) (reply, error) {
	deadline, _ := ctx.Deadline() // zero: none
	s.conn.SetReadDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	r, err := readReply(s.in, s.last)
	if err == nil {
		s.last = r.code()
		return r, nil
	}
	if cause := ctx.Err(); cause != nil {
		return nil, fmt.Errorf("BIRD did not answer in time: %w: %w", cause, plugins.ErrUnavailable)
	}
	return nil, s.lost(err)
}

func (s *session) lost(err error) error {
	return fmt.Errorf("lost BIRD's control socket (%w): %w", err, plugins.ErrUnavailable)
}

// version is BIRD's: 2.0.12.
type version [3]int

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// before compares as versions do.
func (v version) before(o version) bool {
	for i := range v {
		if v[i] != o[i] {
			return v[i] < o[i]
		}
	}
	return false
}

// limit leaves out the peers that need what this version can't do.
func (v version) limit(s speaker) (speaker, error) {
	if !v.before(version{2, 0, 8}) {
		return s, nil
	}
	var errs []error
	s.peers = slices.DeleteFunc(slices.Clone(s.peers), func(p plugins.Peer) bool {
		if p.BFD != nil {
			errs = append(errs, fmt.Errorf("peer %s: BIRD %s has no BFD timers for a single peer, 2.0.8 is the first that has: %w", p.Name, v, plugins.ErrUnsupported))
		}
		return p.BFD != nil
	})
	return s, errors.Join(errs...)
}

// parseGreeting reads "BIRD 2.0.12 ready.", and refuses what can't be driven.
func parseGreeting(text string) (version, error) {
	var v version
	rest, ok := strings.CutPrefix(text, "BIRD ")
	word, _, _ := strings.Cut(rest, " ")
	numbers := strings.Split(word, ".")
	for i := range min(len(numbers), 3) {
		// Builds from a repository have more: 2.15.1-34-gabcdef.
		if n, _ := fmt.Sscanf(numbers[i], "%d", &v[i]); n != 1 {
			ok = false
		}
	}
	switch {
	case !ok:
		return v, fmt.Errorf("the control socket answers %.60q, which is not BIRD's greeting: %w", text, plugins.ErrUnsupported)
	case v[0] < 2:
		return v, fmt.Errorf("BIRD %s is too old: it has one daemon for each address family, and can't announce IPv4 over an IPv6 session; this backend needs BIRD 2.0 or later: %w",
			v, plugins.ErrUnsupported)
	}
	return v, nil
}

// idle waits for d while no command is under way, and tells whether BIRD is
// still there then.
func (s *session) idle(ctx context.Context, d time.Duration) bool {
	s.conn.SetReadDeadline(time.Now().Add(d))
	stop := context.AfterFunc(ctx, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := s.in.Peek(1) // BIRD says nothing unasked
	return errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil
}

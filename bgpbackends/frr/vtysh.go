package frr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/internal/lazy"
	"github.com/stentor-net/stentor/plugins"
)

const (
	maxOutput = 1 << 20 // vtysh is silent unless there are errors
	// killDelay is what vtysh gets to end after its context did.
	killDelay = time.Second
)

const scriptPattern = "vtysh-*"

// vtysh runs FRR's shell.
type vtysh struct {
	program string
	args    []string
	dir     string // private; scripts lie there while they run
}

// check has FRR's own parser read a script, without its passwords; nothing is
// changed.
func (v vtysh) check(ctx context.Context, s script) error {
	f, err := os.CreateTemp(v.dir, scriptPattern)
	if err != nil {
		return fmt.Errorf("a file for vtysh: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(mask(s.String()))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("a file for vtysh: %w", err)
	}
	return v.run(ctx, "-C", "-f", f.Name())
}

// execute has each daemon given the lines that are its own, up to the first
// one that is refused. They must hold no secrets, since arguments are seen by all.
//
// It is not `vtysh -f`, which tells the daemons that they read their
// configuration: bgpd then starts no session with a new neighbor for another
// second, or for as long as `bgp route-map delay-timer` has to run.
func (v vtysh) execute(ctx context.Context, s script) error {
	args := []string{"-c", "configure terminal"}
	for _, l := range s.lines() {
		args = append(args, "-c", l)
	}
	return v.run(ctx, args...)
}

// sweep removes what a process that was killed left behind.
func (v vtysh) sweep() error {
	left, err := filepath.Glob(filepath.Join(v.dir, scriptPattern))
	for _, f := range left {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}

// run runs vtysh, which has nothing to say if all is well.
func (v vtysh) run(ctx context.Context, args ...string) error {
	var said limited
	said.left = maxOutput
	cmd := exec.CommandContext(ctx, v.program, append(v.args[:len(v.args):len(v.args)], args...)...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, killDelay
	// Nothing of our environment: VTYSH_PAGER, even if empty, sends the output elsewhere.
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	err := cmd.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	text := noise().ReplaceAllString(said.String(), "")
	if err == nil && complaint().MatchString(text) { // with exit code 0 at times
		err = errors.New("vtysh complains")
	}
	if err != nil {
		return v.explain(text, err)
	}
	return nil
}

// noise is what vtysh says when it has no configuration of its own, which is usual.
var noise = lazy.Regexp(`(?m)^% Can't open configuration file .*\n?`)

// complaint is how FRR begins a line about an error, or vtysh one about a daemon.
var complaint = lazy.Regexp(`(?m)^(%|line \d+:|\S+ is not running)`)

// limited keeps what fits, and fails for the rest.
type limited struct {
	bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, errors.New("vtysh gives too much output")
	}
	l.left -= len(p)
	return l.Buffer.Write(p)
}

var _ io.Writer = (*limited)(nil)

// explain turns what vtysh said into an error for people, without passwords.
func (v vtysh) explain(said string, err error) error {
	said = mask(strings.TrimSpace(said))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is not there; install FRR, or name its place with vtysh in [backend.frr]: %w", v.program, plugins.ErrUnavailable)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("vtysh did not end in time: %w", err)
	case strings.Contains(said, "failed to connect to any daemons"):
		return fmt.Errorf("no FRR daemon answers; start it: systemctl start frr (stentor must run as root or in group frrvty): %w", plugins.ErrUnavailable)
	case strings.Contains(said, "is not running"):
		return fmt.Errorf("FRR: %s: %w", said, plugins.ErrUnavailable)
	}
	return fmt.Errorf("FRR refused: %s (%w)", said, err)
}

// secrets are the values that must not be shown.
var secrets = lazy.Regexp(`(?i)\b(password|secret|key-string|authentication-key|md5)\s+\S[^\n]*`)

// mask hides them in a text that may quote lines of a configuration.
func mask(text string) string { return secrets().ReplaceAllString(text, "$1 ***") }

// Package run runs the commands of network stacks: bounded in time and output,
// in the C locale.
package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// maxOutput bounds what is kept of each stream, in bytes: ifquery(8) has two
// lines for each VIP, of which there can be 15,000.
const maxOutput = 8 << 20

// Result is what a command left behind.
type Result struct {
	Code   int // exit code
	Stdout string
	Stderr string
}

// Error says that a command ended with an exit code that tells of a failure.
type Error struct {
	Command string
	Result
}

// Error gives the command's own last words, which tell more than its code.
func (e *Error) Error() string {
	say := strings.TrimSpace(e.Stderr)
	if say == "" {
		say = strings.TrimSpace(e.Stdout)
	}
	return fmt.Sprintf("%s: exit code %d: %s", e.Command, e.Code, say)
}

// Command runs name with args. A non-zero exit code is an *Error; a missing
// program satisfies errors.Is(err, exec.ErrNotFound).
func Command(ctx context.Context, name string, args ...string) (Result, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	// What the command started ends with it, and can't keep the pipes open.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var stdout, stderr limited
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := Result{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return r, fmt.Errorf("%s: not done in time: %w", name, ctx.Err())
	case errors.As(err, &exit):
		return r, &Error{Command: strings.Join(append([]string{name}, args...), " "), Result: r}
	case err != nil:
		return r, fmt.Errorf("run %s: %w", name, err)
	}
	return r, nil
}

// limited keeps the first maxOutput bytes and swallows the rest, so that a
// talkative command neither fails nor fills the memory.
type limited struct{ kept bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := maxOutput - l.kept.Len(); room > 0 {
		l.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (l *limited) String() string { return l.kept.String() }

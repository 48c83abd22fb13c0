package hosts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Result is what a command on a host gave.
type Result struct {
	Code           int // exit status, 128+N after signal N
	Stdout, Stderr string
}

// String shows all of it to a person.
func (r Result) String() string {
	return strings.TrimSpace(fmt.Sprintf("exit %d\n%s%s", r.Code, r.Stdout, r.Stderr))
}

// inside is what nsenter(1) has to do for a program on the host.
var inside = []string{"-m", "-u", "-i", "-n", "-p", "-C", "--root", "--wdns=/", "--",
	"/usr/bin/env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root", "LC_ALL=C", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"}

// Enter is the beginning of a command line that runs what follows as root on
// the host, until that is booted again: for programs that reach hosts by
// themselves.
func (h *Host) Enter() ([]string, error) { return h.nsenter(inside...) }

// nsenter is the command line that enters the host, by these flags.
func (h *Host) nsenter(flags ...string) ([]string, error) {
	if h.box == nil {
		return nil, fmt.Errorf("hosts: %s is off", h)
	}
	leader, err := h.box.leader()
	if err != nil {
		return nil, err
	}
	return append([]string{"nsenter", "-t", strconv.Itoa(leader)}, flags...), nil
}

// Exec runs a shell script as root on the host. An exit status other than 0
// stands in the Result; the error is for what never ran, or not to its end.
func (h *Host) Exec(ctx context.Context, script string) (Result, error) {
	cmd, err := h.command(ctx, slices.Concat(inside, []string{"/bin/sh", "-c", script})...)
	if err != nil {
		return Result{}, err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	r := Result{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return r, fmt.Errorf("hosts: on %s: %w: %s", h, ctx.Err(), script)
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			r.Code = 128 + int(s.Signal())
		}
	default:
		return r, fmt.Errorf("hosts: on %s: %w", h, err)
	}
	return r, nil
}

// command is nsenter(1) into the host, by its flags. It dies with this process.
func (h *Host) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	argv, err := h.nsenter(args...)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second // a busy machine is slow to hand over the last of the output
	return cmd, nil
}

// Put writes a file on the host, on or off, and makes the folders above it.
func (h *Host) Put(path string, f File) error {
	root, err := h.root()
	if err != nil {
		return err
	}
	return writeFile(root, path, f)
}

// root is where the host's files can be written: of a running one through its
// own mounts, of one that is off in the uppermost layer.
func (h *Host) root() (string, error) {
	if h.box == nil {
		return h.path("upper"), nil
	}
	leader, err := h.box.leader()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/%d/root", leader), nil
}

// Get reads a file of a host that is on.
func (h *Host) Get(path string) ([]byte, error) {
	if h.box == nil {
		return nil, fmt.Errorf("hosts: %s is off", h)
	}
	root, err := h.root()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(root, path))
}

func writeFile(root, path string, f File) error {
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("hosts: %w", err)
	}
	if err := os.WriteFile(path, []byte(f.Content), f.Mode); err != nil {
		return fmt.Errorf("hosts: %w", err)
	}
	// The umask is not to change what was asked for.
	if err := os.Chmod(path, f.Mode); err != nil {
		return fmt.Errorf("hosts: %w", err)
	}
	return nil
}

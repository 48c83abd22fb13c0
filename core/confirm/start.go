package confirm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// startTime bounds the wait for a guard to say that it is there.
const startTime = 10 * time.Second

// StartGuard returns when a guard runs: one that did already, or a new process
// that outlives this one.
func (s Store) StartGuard(ctx context.Context) error {
	if is, err := s.guarded(); is || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := s.spawn(ctx); err != nil {
		return fmt.Errorf("the guard that would roll it back does not start: %w", err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if is, err := s.guarded(); is || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New("the guard that would roll it back did not come up in time")
		case <-tick.C:
		}
	}
}

func (s Store) spawn(ctx context.Context) error {
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return err
	}
	args := []string{"guard", "--state-dir", dir}
	if underSystemd() {
		return transientUnit(ctx, binary, args)
	}
	return detached(binary, args)
}

// transientUnit runs a command as a unit of its own: what is in the control
// group of a session or of stentor's own unit goes with them (KillMode= in
// systemd.kill(5), KillUserProcesses= in logind.conf(5)).
func transientUnit(ctx context.Context, binary string, args []string) error {
	run := append([]string{
		"--quiet", "--collect", "--unit=stentor-guard-" + strconv.FormatInt(time.Now().UnixNano(), 36),
		"--description=rolls back a config of stentor that nobody confirms",
		"--property=Restart=on-failure", "--property=RestartSec=1", // a kill -9 is a failure
		"--", binary,
	}, args...)
	out, err := exec.CommandContext(ctx, "systemd-run", run...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemd-run: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// detached runs a command in a session of its own: the end of a terminal is no
// news to it, and nobody waits for its output.
func detached(binary string, args []string) error {
	cmd := exec.Command(binary, args...)
	cmd.Args[0] = "stentor"
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait() // a daemon must not keep it as a zombie
	return nil
}

// managerSocket is NOTIFY_SOCKET for a unit of PID 1 (sd_notify(3)).
const managerSocket = "/run/systemd/notify"

// underSystemd reports whether systemd manages this host (sd_booted(3)) and
// would run a unit in the network namespace of this process. A sandbox may keep
// us from looking at PID 1 (ptrace(2), "Ptrace access mode checking"); a unit of
// its own stands where it does.
func underSystemd() bool {
	if info, err := os.Lstat("/run/systemd/system"); err != nil || !info.IsDir() {
		return false
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return false
	}
	its, err := os.Readlink("/proc/1/ns/net")
	if errors.Is(err, fs.ErrPermission) {
		return os.Getenv("NOTIFY_SOCKET") == managerSocket
	}
	return err == nil && ours == its
}

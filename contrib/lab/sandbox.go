package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// sandboxEnv marks the process that reexec started: "sandbox", "hold" or both.
const sandboxEnv = "STENTOR_LAB_REEXEC"

// sandboxed reports whether this process is the init of a sandbox, with mounts,
// processes and network of its own: whatever ends it takes the whole lab along.
func sandboxed() bool { return os.Getpid() == 1 && marked("sandbox") }

// holding reports whether this process keeps a lab standing after `lab up` has returned.
func holding() bool { return marked("hold") }

func marked(word string) bool { return strings.Contains(os.Getenv(sandboxEnv), word) }

// Exited says that the lab ran in a process of its own, which failed and has
// said why on standard error already.
type Exited struct{ Code int }

func (e *Exited) Error() string { return "the lab failed" }

// reexec is a command that runs this process's command line again. In new
// namespaces it is root there, and needs no rights here (user_namespaces(7));
// for root itself the user namespace stays the same, so that daemons that
// change their user can.
func reexec(ctx context.Context, newNamespaces bool, mark string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = os.Args
	cmd.Env = append(cleanEnviron(), sandboxEnv+"="+mark)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if !newNamespaces {
		return cmd
	}
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}

// scratchDir is where inSandbox gives its function an empty place that nobody
// else sees: a folder that every machine has and a lab needs nothing from.
const scratchDir = "/run"

// inSandbox runs f in a sandbox: it starts the same command line again, which
// comes to this call a second time, and there it calls f.
func inSandbox(ctx context.Context, out, errOut io.Writer, f func(context.Context) error) error {
	if sandboxed() {
		if err := enterSandbox(); err != nil {
			return err
		}
		// What the lab writes goes with the sandbox too, whatever ends it.
		if err := syscall.Mount("tmpfs", scratchDir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0755"); err != nil {
			return sandboxError(err)
		}
		return f(ctx)
	}
	cmd := reexec(ctx, true, "sandbox")
	cmd.Stdout, cmd.Stderr = out, errOut
	// Ctrl-C comes to this process only, which asks the other one once.
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	if err := cmd.Start(); err != nil {
		return sandboxError(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return &Exited{Code: exit.ExitCode()}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// enterSandbox makes the sandbox's mounts its own.
func enterSandbox() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return sandboxError(err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("lab: mount /proc: %w; a container hides parts of it: run the lab outside, or in a privileged one", err)
	}
	return nil
}

// sandboxError says what this machine has against namespaces.
func sandboxError(err error) error {
	if os.Geteuid() == 0 && !sandboxed() {
		return fmt.Errorf("lab: new namespaces: %w; root lacks CAP_SYS_ADMIN here, as in a container: use a privileged one", err)
	}
	for _, knob := range []struct{ path, bad, fix string }{
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"},
	} {
		if b, e := os.ReadFile(knob.path); e == nil && strings.TrimSpace(string(b)) == knob.bad {
			return fmt.Errorf("lab: this machine forbids user namespaces to users (%s is %s): run it with sudo, or allow them: sudo %s", knob.path, knob.bad, knob.fix)
		}
	}
	return fmt.Errorf("lab: new user namespace: %w; run it with sudo", err)
}

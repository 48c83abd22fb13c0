package hosts

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bootScript runs in a new mount namespace, so its mounts are nobody else's and
// go when the last process in it does.
//
//go:embed boot.sh
var bootScript string

// box is a running container.
type box struct {
	name    string
	cmd     *exec.Cmd
	done    chan struct{}
	leading int // cached by leader
}

// startBox boots the host whose files are in dir.
func startBox(name, dir string, layers []string) (*box, error) {
	console, err := os.OpenFile(filepath.Join(dir, "console"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	defer console.Close()
	groups, err := makeCgroups(name)
	if err != nil {
		return nil, err
	}
	b := &box{name: name, done: make(chan struct{})}
	b.cmd = exec.Command("sh", append([]string{"-euc", bootScript, "sh", name, dir, strings.Join(layers, ":")}, groups...)...)
	b.cmd.Stdout, b.cmd.Stderr = console, console
	b.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true,
		// The script becomes nspawn, which is then PID 1 of a namespace: when it
		// dies, so does everything below it (pid_namespaces(7)).
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	started := make(chan error)
	go func() {
		// The death signal is of the thread's, not the process's (prctl(2)).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := b.cmd.Start()
		started <- err
		if err == nil {
			_ = b.cmd.Wait()
			close(b.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("hosts: boot %s: %w", name, err), removeCgroups(name))
	}
	return b, nil
}

func (b *box) ended() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// leader is the container's PID 1, as seen from here: a child or grandchild of
// nspawn that has another PID namespace than it.
func (b *box) leader() (int, error) {
	if b.leading != 0 && !b.ended() {
		return b.leading, nil
	}
	outer, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", b.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("hosts: %s has ended: %w", b.name, err)
	}
	for _, child := range children(b.cmd.Process.Pid) {
		for _, pid := range append([]int{child}, children(child)...) {
			if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err == nil && ns != outer {
				b.leading = pid
				return pid, nil
			}
		}
	}
	return 0, fmt.Errorf("hosts: %s has no PID 1 (yet)", b.name)
}

func children(pid int) []int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil // it is gone
	}
	var pids []int
	for _, s := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(s); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// halt asks systemd to power off, and waits for the end.
func (b *box) halt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	leader, err := b.leader()
	if err != nil {
		return err
	}
	// SIGRTMIN+4 is poweroff.target (systemd(1)); glibc's SIGRTMIN is 34.
	if err := syscall.Kill(leader, syscall.Signal(34+4)); err != nil {
		return fmt.Errorf("hosts: power off %s: %w", b.name, err)
	}
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("hosts: %s does not power off: %w", b.name, ctx.Err())
	}
}

// kill ends what runs, and clears away the control groups.
func (b *box) kill() error {
	_ = b.cmd.Process.Kill() // an error means that it has ended
	<-b.done
	return removeCgroups(b.name)
}

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Process is a command on a node.
type Process struct {
	Node string
	Name string
	Log  string // the file with its standard output and error, all starts of Name in one
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of its end; set before done is closed
}

// Start runs argv on a node, with the environment of this process and env
// ("KEY=value") on top, and logs to NAME.log in the lab's folder. The process
// dies with this one.
func (l *Lab) Start(node, name string, argv []string, env ...string) (*Process, error) {
	p := &Process{Node: node, Name: name, Log: filepath.Join(l.opts.Dir, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lab: log of %s: %w", name, err)
	}
	defer out.Close()
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(cleanEnviron(), env...)
	// A process group of its own: Ctrl-C in the terminal is for us, and we stop
	// things in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	ns, ok := l.ns[node]
	if !ok {
		return nil, fmt.Errorf("lab: no node %q", node)
	}
	if err := l.starter.Do(ns, p.cmd.Start); err != nil {
		return nil, fmt.Errorf("lab: start %s on %s: %w", name, node, err)
	}
	l.mu.Lock()
	l.processes = append(l.processes, p)
	l.mu.Unlock()
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Output runs argv on a node to its end, and gives its standard output.
func (l *Lab) Output(ctx context.Context, node string, argv ...string) ([]byte, error) {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, cleanEnviron()
	err := l.Do(node, cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return []byte(stdout.String()), fmt.Errorf("lab: %s on %s: %w: %s", filepath.Base(argv[0]), node, err, strings.TrimSpace(stderr.String()))
	}
	return []byte(stdout.String()), nil
}

// cleanEnviron leaves out what ties a process to the service manager that started us.
func cleanEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		return key == "NOTIFY_SOCKET" || key == "WATCHDOG_USEC" || key == "WATCHDOG_PID" || key == sandboxEnv
	})
}

func (l *Lab) started() []*Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.processes)
}

// Pid is the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends sig to the process alone.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("lab: %s to %s: %w", sig, p.Name, err)
	}
	return nil
}

// Stop sends SIGTERM and waits for the end, which an exit code other than 0
// makes an error.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.Wait(ctx)
}

// Kill ends the process and the rest of its process group, as a crash would:
// no handler of theirs runs.
func (p *Process) Kill(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := syscall.Kill(-p.Pid(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("lab: kill %s: %w", p.Name, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("lab: %s does not end: %w", p.Name, ctx.Err())
	case <-p.done:
		return nil
	}
}

// Wait waits for the end, and gives what is wrong with it.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("lab: %s does not end: %w", p.Name, ctx.Err())
	case <-p.done:
	}
	if p.err != nil {
		return fmt.Errorf("lab: %s: %w; its log ends with:\n%s", p.Name, p.err, p.Tail(10))
	}
	return nil
}

// Tail is the last lines of the process's log.
func (p *Process) Tail(lines int) string {
	b, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// poll calls f until it is done, or ctx ends; the error is then f's last word.
func poll(ctx context.Context, what string, f func() (done bool, state string)) error {
	for {
		done, state := f()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lab: waiting for %s: %w; %s", what, ctx.Err(), state)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

package span

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// process is a program on the far host.
type process struct {
	name  string
	argv  []string
	env   []string
	ready func() error // it takes commands, or routes
	cmd   *exec.Cmd
	gone  chan struct{}
}

// processes are started in their order, and ended the other way round.
type processes struct {
	span   *Span
	inside func(argv ...string) []string
	all    []*process
}

func (p *processes) Start(ctx context.Context) error {
	for _, one := range p.all {
		if one.gone != nil {
			continue
		}
		if err := p.start(ctx, one); err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return nil
}

func (p *processes) start(ctx context.Context, one *process) error {
	log, err := os.OpenFile(p.span.in(one.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	argv := p.inside(one.argv...)
	one.cmd = exec.Command(argv[0], argv[1:]...)
	one.cmd.Stdout, one.cmd.Stderr, one.cmd.Env = log, log, append(os.Environ(), one.env...)
	one.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.span.starter.Do(p.span.far, one.cmd.Start); err != nil {
		return err
	}
	gone := make(chan struct{})
	one.gone = gone
	go func() {
		one.cmd.Wait() // it is killed, so there is no result of use
		close(gone)
	}()
	for {
		err := one.ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("is not ready: %w", err)
		case <-gone:
			said, _ := os.ReadFile(log.Name())
			return fmt.Errorf("has ended:\n%s", said)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (p *processes) Kill(part string) error {
	var all error
	for i := len(p.all) - 1; i >= 0; i-- {
		if one := p.all[i]; part == "" || one.name == part {
			all = errors.Join(all, one.kill())
		}
	}
	return all
}

func (p *processes) Close() error { return p.Kill("") }

func (p *process) kill() error {
	if p.gone == nil {
		return nil
	}
	err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		err = nil
	}
	<-p.gone
	p.gone = nil
	// libfrr makes a folder for a backtrace, and leaves it behind.
	os.RemoveAll(fmt.Sprintf("/var/tmp/frr/%s.%d", p.name, p.cmd.Process.Pid))
	return err
}

// run gives what a command says.
func (p *processes) run(ctx context.Context, argv ...string) (string, error) {
	return run(ctx, p.inside(argv...)...)
}

// show joins what some commands say, errors too, and what the programs have
// logged.
func (p *processes) show(ctx context.Context, all ...[]string) string {
	var text strings.Builder
	for _, argv := range all {
		out, err := p.run(ctx, argv...)
		if err != nil {
			out = err.Error()
		}
		fmt.Fprintf(&text, "%s\n%s\n", strings.Join(argv, " "), out)
	}
	for _, one := range p.all {
		said, _ := os.ReadFile(p.span.in(one.name + ".log"))
		fmt.Fprintf(&text, "log of %s\n%s\n", one.name, said)
	}
	return text.String()
}

// run gives what a command says.
func run(ctx context.Context, argv ...string) (string, error) {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, out)
	}
	return string(out), nil
}

// onFar is run on the far host.
func (s *Span) onFar(ctx context.Context, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err := s.far.Do(cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, out.String())
	}
	return out.String(), nil
}

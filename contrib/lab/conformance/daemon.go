package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// place is a host, of the suite or of package lab.
type place struct {
	dir string // any user may enter it
	do  func(f func() error) error
	// netns is the file of its network namespace.
	netns string
}

// process is a program of a daemon on the host of a case.
type process struct {
	argv   []string
	socket string // it takes commands once it listens here
	cmd    *exec.Cmd
	gone   chan struct{}
}

// daemon is what FRR and BIRD have in common. Start starts what does not run,
// in the order given; Kill kills the last one, which speaks BGP.
type daemon struct {
	host      place
	dir       string
	processes []*process
	// boot is called when all of them listen; config tells the operator's configuration.
	boot   func(ctx context.Context) error
	config func(ctx context.Context) (string, error)
}

func (d *daemon) Start(ctx context.Context) error {
	for _, p := range d.processes {
		if p.gone != nil {
			continue
		}
		if err := d.start(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(p.argv[0]), err)
		}
	}
	return d.boot(ctx)
}

func (d *daemon) start(ctx context.Context, p *process) error {
	log, err := os.OpenFile(filepath.Join(d.dir, filepath.Base(p.argv[0])+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(p.argv[0], p.argv[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := d.host.do(p.cmd.Start); err != nil {
		return err
	}
	gone := make(chan struct{})
	p.gone = gone
	go func() {
		p.cmd.Wait() // it is killed, so there is no result of use
		close(gone)
	}()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		conn, err := net.Dial("unix", p.socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("does not take commands: %w", err)
		case <-gone:
			said, _ := os.ReadFile(log.Name())
			return fmt.Errorf("has ended:\n%s", said)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (d *daemon) Kill() error { return d.processes[len(d.processes)-1].kill() }

func (p *process) kill() error {
	if p.gone == nil {
		return nil
	}
	err := p.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-p.gone
	p.gone = nil
	// libfrr makes a folder for a backtrace, and leaves it behind.
	os.RemoveAll(fmt.Sprintf("/var/tmp/frr/%s.%d", filepath.Base(p.argv[0]), p.cmd.Process.Pid))
	return err
}

func (d *daemon) Config(ctx context.Context) (string, error) { return d.config(ctx) }

func (d *daemon) Close() error {
	var all error
	for _, p := range slices.Backward(d.processes) {
		all = errors.Join(all, p.kill())
	}
	return all
}

// newDaemon makes its folder, with the files that it starts with.
func newDaemon(host place, name string, files map[string]string) (*daemon, error) {
	d := &daemon{host: host, dir: filepath.Join(host.dir, name)}
	for file, text := range files {
		path := filepath.Join(d.dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *daemon) in(name string) string { return filepath.Join(d.dir, name) }

// contents are the texts of all files in some folders.
func contents(dirs ...string) (string, error) {
	var all strings.Builder
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&all, "%s:\n%s\n", e.Name(), text)
		}
	}
	return all.String(), nil
}

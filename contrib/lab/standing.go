package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// UpOptions say what `lab up` shall leave standing.
type UpOptions struct {
	Binary       string // the stentor binary, run on both hosts; none runs when empty
	RouteServers Kind   // Embedded when empty
}

// ready is the word that the keeper's pipe carries when the lab is up; anything
// else on it is the reason why it is not.
const ready = "ready"

// Up leaves a lab standing, with a process of its own that keeps it, and tells
// how to look around in it. It starts this process's command line again. Root
// gets namespaces that ip-netns(8) knows, anyone else a sandbox.
func Up(ctx context.Context, out io.Writer, opts UpOptions) error {
	if holding() {
		return keep(ctx, opts)
	}
	dir := standingDir()
	pid, err := owner(dir)
	if err != nil {
		return err
	}
	if pid != 0 {
		return fmt.Errorf("lab: it is up already, in %s, kept by process %d; take it down with: stentor lab down", dir, pid)
	}
	sandbox, mark := false, "hold"
	if os.Geteuid() != 0 {
		sandbox, mark = true, "hold sandbox"
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := reexec(context.WithoutCancel(ctx), sandbox, mark)
	cmd.ExtraFiles = []*os.File{w} // its descriptor 3
	cmd.SysProcAttr.Setsid = true  // it outlives this terminal
	if err := cmd.Start(); err != nil {
		w.Close()
		return sandboxError(err)
	}
	w.Close()
	stop := context.AfterFunc(ctx, func() { cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	said, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if string(said) != ready {
		cmd.Wait()
		return errors.Join(errors.New(strings.TrimSpace(string(said))), ctx.Err())
	}
	lookAround(out, cmd.Process.Pid, dir, opts.Binary != "")
	return cmd.Process.Release()
}

// keep is the process that has the lab until it is told to end.
func keep(ctx context.Context, opts UpOptions) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	pipe := os.NewFile(3, "ready")
	unix.CloseOnExec(3) // or the hosts' processes would keep it open
	l, err := standUp(ctx, opts)
	if err != nil {
		fmt.Fprint(pipe, err)
		return err
	}
	fmt.Fprint(pipe, ready)
	pipe.Close()
	<-ctx.Done()
	return l.Down()
}

func standUp(ctx context.Context, opts UpOptions) (*Lab, error) {
	if sandboxed() {
		if err := enterSandbox(); err != nil {
			return nil, err
		}
	}
	o := Linode(demoDCID, 4)
	o.Name, o.Dir, o.RouteServers = "lab", standingDir(), opts.RouteServers
	l, err := New(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := l.Up(ctx); err != nil {
		return nil, err
	}
	if opts.Binary == "" {
		return l, nil
	}
	s := &scenario{lab: l, out: io.Discard, binary: opts.Binary, vips: demoVIPs, hosts: map[string]*Process{}}
	for _, host := range []string{HostA, HostB} {
		if err := s.writeConfig(host, demoConfig(demoRoles[host], GoBGP, "")); err != nil {
			return nil, errors.Join(err, l.Down())
		}
		if err := s.run(host); err != nil {
			return nil, errors.Join(err, l.Down())
		}
	}
	for _, host := range []string{HostA, HostB} {
		if err := s.announced(ctx, host); err != nil {
			return nil, errors.Join(err, l.Down())
		}
	}
	return l, nil
}

// lookAround prints the commands to try in a standing lab.
func lookAround(out io.Writer, keeper int, dir string, hosts bool) {
	on := func(node string) string { return "ip netns exec lab-" + node }
	if os.Geteuid() != 0 {
		enter := fmt.Sprintf("nsenter -t %d -U -m -p --preserve-credentials", keeper)
		on = func(node string) string { return fmt.Sprintf("%s nsenter --net=%s/netns/lab-%s", enter, dir, node) }
	}
	fmt.Fprintf(out, "The lab is up: nodes %s, %s, %s, %s and rs1 to rs4; files in %s\n\n", Client, Router, HostA, HostB, dir)
	fmt.Fprintf(out, "  a shell on a host   %s bash\n", on(HostA))
	fmt.Fprintf(out, "  the client's ping   %s ping %s\n", on(Client), demoVIPs[0])
	fmt.Fprintf(out, "  who gets traffic    %s ip route\n", on(Router))
	if hosts {
		fmt.Fprintf(out, "  host a's status     stentor --socket %s/a/stentor.sock status\n", dir)
		fmt.Fprintf(out, "  drain it            stentor --socket %s/a/stentor.sock drain\n", dir)
	}
	fmt.Fprintf(out, "  remove it all       stentor lab down\n")
}

// Down takes a standing lab down, or clears what a crashed one left.
func Down(ctx context.Context, out io.Writer) error {
	dir := standingDir()
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(out, "There is no lab.")
		return nil
	}
	if err := endKeeper(ctx, dir); err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(out, "The lab is gone.")
		return nil
	}
	lock, err := takeDir(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	fmt.Fprintln(out, "What a crashed lab had left is gone.")
	return nil
}

// endKeeper asks the process that has the lab up to end, and waits for it. The
// lock names the process, and is looked at again once it can be no other one.
func endKeeper(ctx context.Context, dir string) error {
	pid, err := owner(dir)
	if err != nil || pid == 0 {
		return err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lab: process %d, which keeps it: %w", pid, err)
	}
	defer unix.Close(fd)
	if again, err := owner(dir); err != nil || again != pid {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("lab: end process %d, which keeps it: %w", pid, err)
	}
	return poll(ctx, fmt.Sprintf("the end of process %d, which keeps the lab", pid), func() (bool, string) {
		// A pidfd is readable when its process has ended (pidfd_open(2)).
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return err == nil && n == 1, fmt.Sprintf("kill -9 %d, and then try again", pid)
	})
}

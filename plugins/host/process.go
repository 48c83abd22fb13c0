package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// drainTime is how long output is still read after a program's end: a process
// that it left behind may hold the pipe open.
const drainTime = 500 * time.Millisecond

// timerSlack is how late the timers of our own programs may be: nothing to BGP or
// BFD. While one of them is awake, Go's runtime looks after it each 20 µs, which
// takes two thirds of the CPU time of what it does; with this, each 4 ms (PR_SET_TIMERSLACK,
// prctl(2)). A program can't set that for the thread that does it.
const timerSlack = 4 * time.Millisecond

// process is one run of a program, as go-plugin's runner.Runner. All that it
// starts without leaving its process group ends with it.
type process struct {
	cmd            *exec.Cmd
	dir            string // of the socket
	netns          string // the file of a network namespace; empty: the daemon's
	confined       bool   // it gets no capabilities, even as root
	lazy           bool   // its timers may be late by timerSlack
	stdout, stderr *os.File
	hello          head
	dead           chan struct{} // closed when the program has ended,
	drained        chan struct{} // and when its output is read
	drain          sync.Once

	mu     sync.Mutex
	reason string // why it was killed
	ending bool   // it has ended: a kill comes too late
	ended  error  // of Wait, once dead is closed
	left   bool   // it left processes behind
}

// newProcess prepares cmd, whose Path, Args and environment are set.
func newProcess(cmd *exec.Cmd, dir, account string) (*process, error) {
	p := &process{cmd: cmd, dir: dir, dead: make(chan struct{}), drained: make(chan struct{})}
	cmd.Dir, cmd.Stdin = "/", nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if account != "" {
		if err := p.runAs(account); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// runAs has the program run under another account, without any of the daemon's
// groups, and gives it the folder.
func (p *process) runAs(account string) error {
	u, err := user.Lookup(account)
	if err != nil {
		return fmt.Errorf("its manifest wants the user %q, who does not exist on this host", account)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	if int(uid) == os.Geteuid() {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("its manifest wants the user %q; only a daemon that runs as root can do that", account)
	}
	p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(p.dir, int(uid), int(gid))
}

// Start runs the program.
func (p *process) Start(context.Context) error {
	started := make(chan error, 1)
	go p.live(started)
	return <-started
}

// live stays on one thread for as long as the program runs, and takes the
// thread along. The parent-death signal comes at the end of the thread, not of
// the process (PR_SET_PDEATHSIG, prctl(2)); and what the thread gives up before
// the fork, the program does not have.
func (p *process) live(started chan<- error) {
	runtime.LockOSThread()
	stdout, stderr, err := p.pipes()
	if err == nil && p.netns != "" {
		err = enter(p.netns)
	}
	if err == nil {
		err = giveUp()
	}
	if err == nil && p.confined {
		err = rootIsNobody()
	}
	if p.lazy { // where a sandbox refuses that, it takes more CPU time, and nothing else
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0)
	}
	if err == nil {
		err = p.cmd.Start()
	}
	stdout.Close()
	stderr.Close()
	started <- err
	if err != nil {
		p.stdout.Close()
		p.stderr.Close()
		close(p.dead)
		return
	}
	left := p.endGroup()
	err = p.cmd.Wait()
	p.mu.Lock()
	p.ended, p.left = err, left
	p.mu.Unlock()
	close(p.dead)
	for _, f := range []*os.File{p.stdout, p.stderr} {
		_ = f.SetReadDeadline(time.Now().Add(drainTime))
	}
}

// endGroup waits for the program's end, and kills what is left of its group
// while its number can't be another's yet: it is not reaped.
func (p *process) endGroup() (left bool) {
	pid := p.cmd.Process.Pid
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	p.mu.Lock()
	p.ending = true
	p.mu.Unlock()
	left = hasOthers(pid)
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	return left
}

// hasOthers tells whether a process group has a process besides its leader.
func hasOthers(group int) bool {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return false
	}
	for _, path := range all {
		if text, err := os.ReadFile(path); err == nil && inGroup(text, group) {
			return true
		}
	}
	return false
}

// inGroup reads a line of /proc/PID/stat (proc_pid_stat(5)): pid, name in
// brackets with whatever in it, state, parent, process group.
func inGroup(stat []byte, group int) bool {
	pid, rest, _ := bytes.Cut(stat, []byte(" "))
	fields := bytes.Fields(rest[bytes.LastIndexByte(rest, ')')+1:])
	leader := strconv.Itoa(group)
	return len(fields) > 2 && string(fields[2]) == leader && string(pid) != leader
}

// pipes makes the program's output; the results are its ends.
func (p *process) pipes() (stdout, stderr *os.File, err error) {
	p.stdout, stdout, err = os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	p.stderr, stderr, err = os.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = stdout, stderr
	return stdout, stderr, err
}

// enter moves this thread, and what it starts, to another network namespace.
func enter(netns string) error {
	f, err := os.Open(netns)
	if err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", netns, err)
	}
	return nil
}

// giveUp takes from this thread what a program must not inherit from the
// daemon: the way to more rights, the ambient and inheritable capabilities
// (capabilities(7)), which a change of user alone would not clear, and open files.
func giveUp() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("ambient capabilities: %w", err)
	}
	if err := inheritNone(); err != nil {
		return fmt.Errorf("inheritable capabilities: %w", err)
	}
	// What the daemon opened is close-on-exec; what it was started with, as by a
	// shell or a service manager, need not be.
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, f := range open {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// inheritNone empties the inheritable set of this thread, which newer versions
// of systemd fill for a service.
func inheritNone() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData // of 32 capabilities each
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	return unix.Capset(&header, &sets[0])
}

// rootIsNobody has a program that this thread starts get no capabilities for
// being root (capabilities(7), "The securebits flags"). Who may not set that
// has few to give.
func rootIsNobody() error {
	const noRoot = 1<<0 | 1<<1 // SECBIT_NOROOT and SECBIT_NOROOT_LOCKED of linux/securebits.h
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, noRoot, 0, 0, 0); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("securebits: %w", err)
	}
	return nil
}

// powerless tells whether a process has no capability.
func powerless(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && bytes.Contains(text, []byte("\nCapEff:\t0000000000000000\n"))
}

// kill ends the program and all of its process group. The first reason is kept.
func (p *process) kill(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending || p.cmd.Process == nil {
		return
	}
	if p.reason == "" {
		p.reason = reason
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

// how tells how the program ended, once dead is closed.
func (p *process) how() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.reason != "":
		return p.reason + ", and was killed"
	case p.ended == nil:
		return "exit status 0"
	}
	return p.ended.Error()
}

func (p *process) leftChildren() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

// Kill is go-plugin's way to kill.
func (p *process) Kill(context.Context) error {
	p.kill("")
	<-p.dead
	return nil
}

// Wait is called by go-plugin when it has read the output to its end.
func (p *process) Wait(context.Context) error {
	p.drain.Do(func() { close(p.drained) })
	<-p.dead
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

func (p *process) pid() int {
	if p.cmd.Process == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

func (p *process) ID() string            { return strconv.Itoa(p.pid()) }
func (p *process) Name() string          { return p.cmd.Path }
func (p *process) Stdout() io.ReadCloser { return &teeReader{p.stdout, &p.hello} }
func (p *process) Stderr() io.ReadCloser { return p.stderr }

// Diagnose has nothing to add: explain says what went wrong.
func (*process) Diagnose(context.Context) string { return "" }

// PluginToHost takes the address that the program says it listens on.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	if network != "unix" || filepath.Dir(addr) != p.dir {
		return "", "", errAddress
	}
	return network, addr, nil
}

func (*process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}

var errAddress = errors.New("it listens at another place than a unix socket in the folder $PLUGIN_UNIX_SOCKET_DIR")

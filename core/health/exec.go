package health

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Exec runs a program, which says by exit status 0 that all is well, as
// keepalived's vrrp_script does. There is no shell, and what the run leaves
// behind in its process group is killed.
type Exec struct {
	Argv []string
	User string // whom it runs as; empty: the daemon's user
}

// searchPath is where a program without a slash is looked for, and PATH in the
// program's environment. The daemon's own environment depends on who started it.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// pipesAfter is how long after its end a program's output may still come, from
// what it started elsewhere.
const pipesAfter = 100 * time.Millisecond

// Kind is "exec".
func (Exec) Kind() string { return "exec" }

// Target is the program: arguments may hold secrets.
func (p Exec) Target() string { return p.Argv[0] }

func (p Exec) prepare(*shared) (ask, error) {
	who, err := credential(p.User)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) result { return p.ask(ctx, who) }, nil
}

func (p Exec) ask(ctx context.Context, who *syscall.Credential) result {
	path, err := FindProgram(p.Argv[0])
	if err != nil {
		return notRun(err.Error())
	}
	output := &head{limit: maxRead}
	cmd := exec.Cmd{
		Path: path, Args: p.Argv, Dir: "/", Env: []string{"PATH=" + searchPath, "LC_ALL=C", "HOME=/"},
		Stdout: output, Stderr: output, WaitDelay: pipesAfter,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Credential: who},
	}
	if err := cmd.Start(); err != nil {
		return notRun(err.Error())
	}
	pid := cmd.Process.Pid
	kill := context.AfterFunc(ctx, func() { _ = unix.Kill(-pid, unix.SIGKILL) })
	// Until it is waited for, nobody else can get the number of its group.
	awaitEnd(pid)
	inTime := kill()
	_ = unix.Kill(-pid, unix.SIGKILL)
	err = cmd.Wait()
	said := string(output.kept)
	var exit *exec.ExitError
	switch {
	case !inTime:
		return bad("killed, as it took too long. " + said)
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return good(said)
	case errors.As(err, &exit):
		return bad(exit.String() + ". " + said)
	}
	return notRun(err.Error())
}

// awaitEnd returns when a child has ended, and leaves it a zombie.
func awaitEnd(pid int) {
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// credential is who a check runs as: a user with its groups.
func credential(name string) (*syscall.Credential, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("there is no user %q", name)
	}
	c := &syscall.Credential{}
	for _, id := range []struct {
		text string
		to   *uint32
	}{{u.Uid, &c.Uid}, {u.Gid, &c.Gid}} {
		n, err := strconv.ParseUint(id.text, 10, 32)
		if err != nil {
			return nil, err
		}
		*id.to = uint32(n)
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		n, err := strconv.ParseUint(g, 10, 32)
		if err != nil {
			return nil, err
		}
		c.Groups = append(c.Groups, uint32(n))
	}
	return c, nil
}

// head keeps the beginning of what is written to it.
type head struct {
	kept  []byte
	limit int
}

func (h *head) Write(b []byte) (int, error) {
	h.kept = append(h.kept, b[:min(len(b), h.limit-len(h.kept))]...)
	return len(b), nil
}

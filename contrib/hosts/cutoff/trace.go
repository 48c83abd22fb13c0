//go:build amd64

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// tracer follows all threads of a program by ptrace(2).
type tracer struct {
	at    int        // the change to end at
	errno unix.Errno // 0: kill

	pid     int
	changes int
	what    string       // the change that it ended at
	failing map[int]bool // threads in a call that has to fail
}

// sysgood sets stops at system calls apart from a real SIGTRAP (PTRACE_O_TRACESYSGOOD).
const sysgood = 0x80

// run runs the program to its end, and gives its exit status.
func (t *tracer) run(argv []string) (int, error) {
	// Only the thread that began to trace may go on with it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	t.pid, t.failing = cmd.Process.Pid, map[int]bool{}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(t.pid, &ws, 0, nil); err != nil { // until execve(2) is done
		return 0, err
	}
	// TRACECLONE follows threads and not children: those are vforked.
	if err := unix.PtraceSetOptions(t.pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return 0, err
	}
	if err := unix.PtraceSyscall(t.pid, 0); err != nil {
		return 0, err
	}
	for {
		tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("wait: %w", err)
		case tid == t.pid && ws.Exited():
			return ws.ExitStatus(), nil
		case tid == t.pid && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case ws.Stopped():
			if err := t.stopped(tid, ws); err != nil && err != unix.ESRCH { // it may be killed by now
				return 0, err
			}
		}
	}
}

// stopped looks at a thread that has stopped, and lets it go on.
func (t *tracer) stopped(tid int, ws unix.WaitStatus) error {
	deliver := 0
	switch sig := ws.StopSignal(); {
	case sig == unix.SIGTRAP|sysgood:
		if err := t.atCall(tid); err != nil {
			return err
		}
	case sig == unix.SIGTRAP && ws.TrapCause() > 0: // a thread began another
	case sig == unix.SIGSTOP: // a new thread, before its first instruction
	default:
		deliver = int(sig)
	}
	return unix.PtraceSyscall(tid, deliver)
}

// atCall is called as a thread enters a system call, and as it leaves it.
func (t *tracer) atCall(tid int) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	if t.failing[tid] {
		delete(t.failing, tid)
		regs.Rax = uint64(-int64(t.errno))
		return unix.PtraceSetRegs(tid, &regs)
	}
	// The kernel sets rax to this before a call, which never results in it.
	if int64(regs.Rax) != -int64(unix.ENOSYS) {
		return nil
	}
	c := call{tid: tid, nr: regs.Orig_rax, args: [4]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10}}
	what, onFiles := c.change()
	if what == "" || t.errno != 0 && !(onFiles && c.fails(t.errno)) {
		return nil
	}
	t.changes++
	if t.changes < t.at {
		return nil
	}
	if t.what == "" {
		t.what = what
	}
	if t.errno == 0 {
		// A call that a thread stands before is not begun after SIGKILL.
		return unix.Kill(t.pid, unix.SIGKILL)
	}
	t.failing[tid] = true
	regs.Orig_rax = ^uint64(0) // no call at all
	return unix.PtraceSetRegs(tid, &regs)
}

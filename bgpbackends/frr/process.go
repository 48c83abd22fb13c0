package frr

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// settledAge is how old bgpd must be before we take it that it has no `router
// bgp`: FRR's service starts the daemons empty, and gives them frr.conf
// afterwards. An instance of ours would make the operator's, with another AS
// number, fail.
const settledAge = 3 * time.Second

// process is the one that listens on a daemon's socket.
type process struct {
	pid   int
	start uint64 // clock ticks after boot (proc_pid_stat(5)), 0 if not known
}

func (p process) String() string { return fmt.Sprintf("%d@%d", p.pid, p.start) }

// process finds a daemon's; the zero one if it does not run.
func (b *Backend) process(ctx context.Context, daemon string) process {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", b.settings.socket(daemon))
	if err != nil {
		return process{}
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return process{}
	}
	var cred *syscall.Ucred
	if err := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil || cred == nil {
		return process{}
	}
	p := process{pid: int(cred.Pid)}
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid)); err == nil {
		p.start = startTime(stat)
	}
	return p
}

// startTime is field 22 of /proc/PID/stat; field 2, a name in parentheses, may
// hold anything.
func startTime(stat []byte) uint64 {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0
	}
	fields := bytes.Fields(stat[end+1:])
	if len(fields) < 20 {
		return 0
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return 0
	}
	return start
}

// justStarted tells whether bgpd is too young to have been given its configuration.
func (b *Backend) justStarted(ctx context.Context) bool {
	p := b.process(ctx, bgpdName)
	uptime, err := os.ReadFile("/proc/uptime")
	if err != nil || p.start == 0 {
		return false
	}
	word, _, _ := bytes.Cut(uptime, []byte(" "))
	seconds, err := strconv.ParseFloat(string(word), 64)
	if err != nil {
		return false
	}
	const ticksPerSecond = 100 // USER_HZ, fixed on Linux
	age := time.Duration((seconds - float64(p.start)/ticksPerSecond) * float64(time.Second))
	return age < settledAge
}

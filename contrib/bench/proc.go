package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// usage is what processes take of the machine.
type usage struct {
	rss     float64 // resident memory, MB
	own     float64 // of that what no file is behind, and no other process shares
	peak    float64 // the most that rss has been, MB; of each process by itself
	ticks   int     // user and system time in clock ticks, of which Linux shows 100 a second (times(2))
	threads int
	fds     int
}

func (u usage) plus(v usage) usage {
	return usage{u.rss + v.rss, u.own + v.own, u.peak + v.peak, u.ticks + v.ticks, u.threads + v.threads, u.fds + v.fds}
}

// usage sums over the processes and all that they started.
func (r *running) usage() (usage, error) {
	var sum usage
	for _, p := range r.processes {
		pids, err := withChildren(p.Pid())
		if err != nil {
			return usage{}, err
		}
		for _, pid := range pids {
			u, err := usageOf(pid)
			if err != nil {
				return usage{}, err
			}
			sum = sum.plus(u)
		}
	}
	return sum, nil
}

func usageOf(pid int) (usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return usage{}, err
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return usage{}, err
	}
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return usage{}, err
	}
	u, err := parseUsage(string(status), string(stat))
	u.fds = len(fds)
	return u, err
}

// parseUsage reads /proc/PID/status and /proc/PID/stat (proc(5)).
func parseUsage(status, stat string) (usage, error) {
	u := usage{}
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		n, err := strconv.Atoi(fields[0])
		switch {
		case err != nil:
		case key == "VmRSS":
			u.rss = float64(n) * 1024 / 1e6 // what is written kB is KiB
		case key == "RssAnon":
			u.own = float64(n) * 1024 / 1e6
		case key == "VmHWM":
			u.peak = float64(n) * 1024 / 1e6
		case key == "Threads":
			u.threads = n
		}
	}
	fields, err := statFields(stat)
	if err != nil {
		return usage{}, err
	}
	for _, i := range []int{14, 15} { // utime, stime
		n, err := strconv.Atoi(fields(i))
		if err != nil {
			return usage{}, fmt.Errorf("field %d of /proc/PID/stat: %w", i, err)
		}
		u.ticks += n
	}
	return u, nil
}

// statFields gives the fields of /proc/PID/stat from the third on, by the
// numbers of proc(5). The second is a name in brackets that may hold anything.
func statFields(stat string) (func(int) string, error) {
	rest := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(rest) < 20 {
		return nil, fmt.Errorf("/proc/PID/stat is %q", stat)
	}
	return func(i int) string { return rest[i-3] }, nil
}

// withChildren is pid and all its descendants.
func withChildren(pid int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields, err := statFields(string(b))
		if err != nil {
			return nil, err
		}
		child, err1 := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, err2 := strconv.Atoi(fields(4))
		if err1 == nil && err2 == nil {
			children[parent] = append(children[parent], child)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// describeMachine is one line on where the figures come from.
func describeMachine() string {
	var u unix.Utsname
	release := "?"
	if unix.Uname(&u) == nil {
		release = unix.ByteSliceToString(u.Release[:])
	}
	load := "?"
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(b), " ")
	}
	return fmt.Sprintf("%d CPUs, Linux %s, load %s before the start", runtime.NumCPU(), release, load)
}

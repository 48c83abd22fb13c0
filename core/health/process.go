package health

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	// commLength is how much of a process's name the kernel keeps (TASK_COMM_LEN
	// less its zero, proc_pid_comm(5)).
	commLength = 15
	// scanAge is how old a look at the processes may be: checks share it.
	scanAge = 200 * time.Millisecond
	maxStat = 4096
)

// Process is good while a process of that name runs.
type Process struct{ Name string }

// Kind is "process".
func (Process) Kind() string { return "process" }

// Target is the name.
func (p Process) Target() string { return p.Name }

func (p Process) prepare(s *shared) (ask, error) {
	return func(context.Context) result {
		seen, err := s.processes.look(time.Now())
		if err != nil {
			return notRun(err.Error())
		}
		pids := seen[p.Name[:min(len(p.Name), commLength)]]
		if len(p.Name) > commLength {
			pids = s.processes.whole(p.Name, pids)
		}
		if len(pids) == 0 {
			return bad("no process is called " + p.Name)
		}
		return good(fmt.Sprintf("%d running, the first as pid %d", len(pids), pids[0]))
	}, nil
}

// processes are those of the host, as seen by one look at /proc for all checks.
type processes struct {
	dir string

	mu   sync.Mutex
	seen map[string][]int // PIDs by name
	at   time.Time
}

func newProcesses(dir string) *processes { return &processes{dir: dir} }

// look gives the processes by name.
func (p *processes) look(now time.Time) (map[string][]int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen != nil && now.Sub(p.at) < scanAge {
		return p.seen, nil
	}
	dir, err := os.Open(p.dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	seen := map[string][]int{}
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		stat, err := readSome(filepath.Join(p.dir, n, "stat"))
		if err != nil {
			continue // it has just ended
		}
		if name, alive := parseStat(stat); alive {
			seen[name] = append(seen[name], pid)
		}
	}
	p.seen, p.at = seen, now
	return seen, nil
}

// parseStat reads the name and the state in /proc/PID/stat. The name stands in
// parentheses, and may hold some itself (proc_pid_stat(5)).
func parseStat(stat []byte) (name string, alive bool) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open || len(stat) < end+3 {
		return "", false
	}
	switch stat[end+2] {
	case 'Z', 'X', 'x': // dead, and only waited for
		return "", false
	}
	return string(stat[open+1 : end]), true
}

// whole gives those of the PIDs whose program or first argument has all of a
// name that is too long for the kernel.
func (p *processes) whole(name string, pids []int) []int {
	var same []int
	for _, pid := range pids {
		dir := filepath.Join(p.dir, strconv.Itoa(pid))
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		cmdline, _ := readSome(filepath.Join(dir, "cmdline"))
		first, _, _ := bytes.Cut(cmdline, []byte{0})
		if filepath.Base(exe) == name || filepath.Base(string(first)) == name {
			same = append(same, pid)
		}
	}
	return same
}

func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxStat))
}

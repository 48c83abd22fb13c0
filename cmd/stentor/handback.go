package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// startTime is how long a backend's process is given to start.
const startTime = 10 * time.Second

// handBack returns, once, what memory this process needed for its start alone:
// the heap's free part, and the pages of the program itself. It is one program
// for all backends, and a small speaker uses little of it; what it does use
// comes back from the page cache at the next access (madvise(2)).
func handBack(maps io.ReadCloser, program string) error {
	defer maps.Close()
	debug.FreeOSMemory()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		from, to, ok := readOnly(lines.Text(), program)
		if !ok {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise: %w", errno)
		}
	}
	return lines.Err()
}

// readOnly reads a line of /proc/PID/maps (proc_pid_maps(5)): where a part of
// the program lies that nobody can have written to.
func readOnly(line, program string) (from, to uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) != 6 || fields[5] != program || strings.Contains(fields[1], "w") {
		return 0, 0, false
	}
	_, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to)
	return from, to, err == nil && from < to
}

// handBackLater does it when the start is over. The files are opened now: the
// process gives up the file system.
func handBackLater() error {
	program, err := filepath.EvalSymlinks("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	time.AfterFunc(startTime, func() { _ = handBack(maps, program) }) // without it all works as well
	return nil
}

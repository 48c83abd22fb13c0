package served

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// startOver is when a process that serves a backend has done what it does once.
const startOver = 10 * time.Second

// shed has this process give back, a while after its start, the parts of the
// program that only the start needed. They stay in the page cache, from where
// what is needed again comes back by itself.
func shed(log *slog.Logger) {
	maps, err := os.Open("/proc/self/maps") // now, as it can't be opened once confined
	if err != nil {
		log.Warn("memory that the start took is kept", "error", err)
		return
	}
	time.AfterFunc(startOver, func() {
		defer maps.Close()
		program, err := mapped(maps)
		if err == nil {
			err = drop(program)
		}
		if err != nil {
			log.Warn("memory that the start took is kept", "error", err)
		}
	})
}

// span is a part of this process's memory.
type span struct{ from, to uintptr }

// mapped are the files that are mapped and can't be written to
// (proc_pid_maps(5)): a line is "from-to rights offset device inode path".
func mapped(maps io.Reader) ([]span, error) {
	var all []span
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var s span
		var rights, offset, device string
		var inode uint64
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s %s %s %d", &s.from, &s.to, &rights, &offset, &device, &inode); err != nil {
			return nil, fmt.Errorf("/proc/self/maps: %w", err)
		}
		if inode != 0 && (rights == "r-xp" || rights == "r--p") {
			all = append(all, s)
		}
	}
	return all, lines.Err()
}

// apart is how much of the program comes back with each page that is needed
// again. Left alone the kernel maps 64 KiB around it (fault_around_bytes), most
// of which nothing needs.
var apart = uintptr(max(16<<10, os.Getpagesize()))

// drop gives the pages back. With huge ones, the few that are needed again would
// bring most of the program along; of normal ones the kernel brings what is
// around, too, but only of the same mapping. An advice about core dumps, which
// hold no program, for every other part makes each part a mapping of its own.
func drop(program []span) error {
	for _, s := range program {
		for from := s.from; from < s.to; from += 2 * apart {
			if err := advise(span{from, min(from+apart, s.to)}, unix.MADV_DONTDUMP); err != nil {
				return err
			}
		}
		for _, advice := range []uintptr{unix.MADV_NOHUGEPAGE, unix.MADV_DONTNEED} {
			if err := advise(s, advice); err != nil {
				return err
			}
		}
	}
	return nil
}

// advise leaves out what this kernel or this kind of mapping knows not.
func advise(s span, advice uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, s.from, s.to-s.from, advice); errno != 0 && errno != unix.EINVAL {
		return fmt.Errorf("madvise: %w", errno)
	}
	return nil
}

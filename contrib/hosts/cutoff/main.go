//go:build amd64

// Command cutoff runs a program and ends it, or makes it fail, at the N'th
// system call by which it would change something: a file, a route or an
// address, or a daemon's mind.
//
//	cutoff [-errno ENOSPC] N PROGRAM [ARGS...]
//
// Without -errno the program is killed right before that call. With it, that
// call and all later ones to file systems fail, as on a full disk (ENOSPC) or
// one that the kernel has remounted read-only (EROFS). What the program's own
// children do is neither counted nor touched.
//
// On stderr it says which call it was; it says nothing if there are fewer than
// N. The exit status is the program's, 137 when it was killed.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func main() {
	errno := flag.String("errno", "", "let calls fail by this error; ENOSPC, EROFS or EIO")
	flag.Parse()
	errnos := map[string]unix.Errno{"": 0, "ENOSPC": unix.ENOSPC, "EROFS": unix.EROFS, "EIO": unix.EIO}
	n, err := strconv.Atoi(flag.Arg(0))
	code, known := errnos[*errno]
	if err != nil || n < 1 || flag.NArg() < 2 || !known {
		fmt.Fprintln(os.Stderr, "usage: cutoff [-errno ENOSPC|EROFS|EIO] N PROGRAM [ARGS...]")
		os.Exit(2)
	}
	t := tracer{at: n, errno: code}
	status, err := t.run(flag.Args()[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "cutoff:", err)
		os.Exit(2)
	}
	if t.what != "" {
		fmt.Fprintf(os.Stderr, "cutoff: at change %d: %s\n", n, t.what)
	}
	os.Exit(status)
}

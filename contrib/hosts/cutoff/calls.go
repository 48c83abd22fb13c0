//go:build amd64

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// call is a system call that a thread is about to make.
type call struct {
	tid  int
	nr   uint64
	args [4]uint64
}

// fails: the kernel could answer the call with that error. A full disk takes
// nothing more, and lets everything go.
func (c call) fails(errno unix.Errno) bool {
	switch c.nr {
	case unix.SYS_UNLINKAT, unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT:
		return errno != unix.ENOSPC
	}
	return true
}

// change says what the call would change, for people; "" is nothing. onFiles
// tells that it is something in a file system.
func (c call) change() (what string, onFiles bool) {
	switch c.nr {
	case unix.SYS_OPENAT:
		if c.args[2]&(unix.O_CREAT|unix.O_TRUNC) == 0 {
			return "", false
		}
		return c.onFile("openat", c.path(0, 1))
	case unix.SYS_MKDIRAT:
		return c.onFile("mkdirat", c.path(0, 1))
	case unix.SYS_UNLINKAT:
		return c.onFile("unlinkat", c.path(0, 1))
	case unix.SYS_FCHMODAT:
		return c.onFile("fchmodat", c.path(0, 1))
	case unix.SYS_FCHOWNAT:
		return c.onFile("fchownat", c.path(0, 1))
	case unix.SYS_LINKAT:
		return c.onFile("linkat", c.path(2, 3))
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		return c.onFile("renameat", c.path(2, 3))
	case unix.SYS_PWRITE64:
		return c.onFile("pwrite64", c.file(0))
	case unix.SYS_FCHMOD:
		return c.onFile("fchmod", c.file(0))
	case unix.SYS_FCHOWN:
		return c.onFile("fchown", c.file(0))
	case unix.SYS_FTRUNCATE:
		return c.onFile("ftruncate", c.file(0))
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		return c.onFile("fsync", c.file(0))
	case unix.SYS_WRITE:
		if what, onFiles = c.onFile("write", c.file(0)); what == "" {
			what = message(c.memory(c.args[1], c.args[2]))
		}
		return what, onFiles
	case unix.SYS_SENDTO:
		return message(c.memory(c.args[1], c.args[2])), false
	case unix.SYS_SENDMSG:
		return message(c.payload()), false
	}
	return "", false
}

// onFile leaves out what is no file of the host's: pipes, sockets and devices,
// and scratch copies, which nobody reads again.
func (c call) onFile(verb, path string) (string, bool) {
	for _, dir := range []string{"/dev/", "/proc/", "/tmp/"} {
		if strings.HasPrefix(path, dir) {
			return "", false
		}
	}
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "/.scratch/") {
		return "", false
	}
	return verb + " " + path, true
}

// file is the path of the descriptor in an argument, and something else, as
// "socket:[7]", for what has none.
func (c call) file(arg int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.tid, int32(c.args[arg])))
	if err != nil {
		return "" // the call will fail
	}
	return path
}

// path is that of a call as openat(2), whose arguments are a folder and a name.
func (c call) path(dir, name int) string {
	p := c.text(c.args[name])
	if strings.HasPrefix(p, "/") || int32(c.args[dir]) == unix.AT_FDCWD {
		return p
	}
	return path.Join(c.file(dir), p)
}

// memory reads up to 4 KiB of what a thread sees.
func (c call) memory(at, length uint64) []byte {
	b := make([]byte, min(length, 4096))
	n, err := unix.PtracePeekData(c.tid, uintptr(at), b)
	if err != nil {
		return nil
	}
	return b[:n]
}

// text is a path, which ends with a NUL (path_resolution(7)).
func (c call) text(at uint64) string {
	var all []byte
	for len(all) < unix.PathMax {
		word := c.memory(at+uint64(len(all)), 8)
		if i := bytes.IndexByte(word, 0); i >= 0 || len(word) == 0 {
			return string(append(all, word[:max(i, 0)]...))
		}
		all = append(all, word...)
	}
	return string(all)
}

// payload is the first buffer of a message (struct msghdr in sendmsg(2)).
func (c call) payload() []byte {
	header := c.memory(c.args[1], 32)
	if len(header) < 32 {
		return nil
	}
	vector := c.memory(binary.LittleEndian.Uint64(header[16:]), 16)
	if len(vector) < 16 {
		return nil
	}
	return c.memory(binary.LittleEndian.Uint64(vector), binary.LittleEndian.Uint64(vector[8:]))
}

// message says what a message asks the kernel or a daemon to change.
func message(b []byte) string {
	if what := method(b); what != "" {
		return what
	}
	if len(b) < unix.SizeofNlMsghdr || binary.LittleEndian.Uint32(b) != uint32(len(b)) {
		return ""
	}
	// Of each four types of rtnetlink the third one gets (rtnetlink(7)).
	kind := binary.LittleEndian.Uint16(b[4:])
	if kind < unix.RTM_BASE || (kind-unix.RTM_BASE)%4 == 2 {
		return ""
	}
	return fmt.Sprintf("netlink message %d", kind)
}

// method is the member that a D-Bus call is for, but for those that only ask.
func method(b []byte) string {
	if len(b) < 16 || b[0] != 'l' || b[1] != 1 { // little endian, METHOD_CALL
		return ""
	}
	field := bytes.Index(b, []byte{3, 1, 's', 0}) // MEMBER, a string
	if field < 0 || field+8 > len(b) {
		return ""
	}
	rest := b[field+8:]
	name := string(rest[:min(int(binary.LittleEndian.Uint32(b[field+4:])), len(rest))])
	asking := []string{"Get", "List", "Hello", "NameHasOwner", "AddMatch", "RemoveMatch", "Introspect", "Ping"}
	if slices.ContainsFunc(asking, func(a string) bool { return strings.HasPrefix(name, a) }) {
		return ""
	}
	return "D-Bus call " + name
}

package host

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// runDir is where the folders of sockets are made: where daemons have theirs,
// else with temporary files. With another account, it has to be a place that this
// one can get to.
func (o Options) runDir(account string) string {
	if o.RunDir != "" {
		return o.RunDir
	}
	for _, dir := range []string{"/run/stentor", os.TempDir()} {
		if (account == "" || passable(dir)) && writable(dir) {
			return dir
		}
	}
	return "/tmp"
}

func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".w")
	if err != nil {
		return false
	}
	f.Close()
	return os.Remove(f.Name()) == nil
}

// passable tells whether everybody can go through a folder and those above it.
func passable(dir string) bool {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == "/" {
			return true
		}
	}
}

// short tells whether the name of a socket in a folder fits: it has 108 bytes, the
// last of them 0 (unix(7)), and go-plugin calls it "plugin" and a number.
func short(dir string) error {
	const name = "/plugin4294967295"
	if n := len(dir) + len(name); n > 107 {
		return fmt.Errorf("the path of its socket would have %d bytes, and can have 107: %s%s; set TMPDIR to a shorter one", n, dir, name)
	}
	return nil
}

// sweep removes the folders of processes that ended with a daemon which was
// killed: nobody listens at their sockets any more. What else a plugin keeps
// there, or listened at for a while, says nothing of its life.
func sweep(dir string) {
	folders, err := filepath.Glob(filepath.Join(dir, "plugin-dir*"))
	if err != nil {
		return
	}
	for _, d := range folders {
		info, err := os.Lstat(d)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) && os.Geteuid() != 0 {
			continue
		}
		if abandoned(d, info.ModTime()) {
			os.RemoveAll(d)
		}
	}
}

// unborn is how long a folder may wait for its process to listen there: one with
// a socket, too, which is there before it takes connections (bind(2), listen(2)).
const unborn = time.Minute

// abandoned tells whether nobody listens at any socket in a folder, nor is about to.
func abandoned(dir string, changed time.Time) bool {
	if time.Since(changed) < unborn {
		return false
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.Type()&os.ModeSocket == 0 {
			continue
		}
		conn, err := net.Dial("unix", filepath.Join(dir, e.Name()))
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return false
		}
	}
	return true
}

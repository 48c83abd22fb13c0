package host

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// runDir is where the folders of sockets are made. With another account, it has
// to be a place that this one can get to.
func (o Options) runDir(account string) string {
	if o.RunDir != "" {
		return o.RunDir
	}
	const standard = "/run/stentor"
	if f, err := os.CreateTemp(standard, ".w"); err == nil {
		f.Close()
		os.Remove(f.Name())
		if account == "" || passable(standard) {
			return standard
		}
	}
	return os.TempDir()
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

// unborn is how long a folder may wait for its process to listen there.
const unborn = time.Minute

// abandoned tells whether nobody listens at any socket in a folder. One without
// a socket may be of a process that is about to start, if it is young.
func abandoned(dir string, changed time.Time) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	sockets := 0
	for _, e := range entries {
		if e.Type()&os.ModeSocket == 0 {
			continue
		}
		sockets++
		conn, err := net.Dial("unix", filepath.Join(dir, e.Name()))
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return false
		}
	}
	return sockets > 0 || time.Since(changed) > unborn
}

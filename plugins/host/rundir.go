package host

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// runDir is where the folders of sockets are made.
func (o Options) runDir() string {
	if o.RunDir != "" {
		return o.RunDir
	}
	const standard = "/run/stentor"
	if f, err := os.CreateTemp(standard, ".w"); err == nil {
		f.Close()
		os.Remove(f.Name())
		return standard
	}
	return os.TempDir()
}

// sweep removes the folders of processes that ended with a daemon which was
// killed: nobody listens at their sockets any more.
func sweep(dir string) {
	sockets, err := filepath.Glob(filepath.Join(dir, "plugin-dir*", "*"))
	if err != nil {
		return
	}
	for _, s := range sockets {
		info, err := os.Lstat(filepath.Dir(s))
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) && os.Geteuid() != 0 {
			continue
		}
		conn, err := net.Dial("unix", s)
		if err == nil {
			conn.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			os.RemoveAll(filepath.Dir(s))
		}
	}
}

// Package served is what a process does to itself that serves one built-in
// backend and nothing else.
package served

import (
	"log/slog"
	"os"
	"runtime"

	"github.com/stentor-net/stentor/plugins"
)

// oneCPU are the backends that have so little to do that a second processor
// costs more than it gives: whenever something comes in, Go would wake another
// thread to look for more. They give back what only their start took.
var oneCPU = map[string]bool{"native": true}

// Settle fits this process to the backend that it is about to serve, and takes
// from it what that needs no right to.
func Settle(i plugins.Info, log *slog.Logger) {
	if err := title(i.Name); err != nil {
		log.Debug("this process keeps its name", "error", err)
	}
	if oneCPU[i.Name] {
		runtime.GOMAXPROCS(1)
		shed(log)
	}
	if i.Has(plugins.CapUnprivileged) {
		if err := confine(); err != nil {
			log.Warn("the file system stays open to this process", "error", err)
		}
	}
}

// title is what ps(1) and top(1) show: the program was run by a path of /proc.
func title(name string) error {
	return os.WriteFile("/proc/self/comm", []byte("stentor-"+name), 0) // proc_pid_comm(5)
}

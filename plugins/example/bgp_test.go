package example

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// TestExaBGP: the whole BGP suite over the wire.
func TestExaBGP(t *testing.T) {
	if _, err := exec.LookPath("exabgp"); err != nil {
		t.Skip("exabgp is not installed")
	}
	p, run := goPlugin(t, "exabgp"), folder(t)
	plugintest.TestBGP(t, plugintest.BGP{
		Open: func(h *plugintest.BGPHost) (plugins.BGPBackend, error) {
			return host.OpenBGP(context.Background(), options(t, run, h.NetNS()), p)
		},
		Kill: func(b plugins.BGPBackend) error {
			process, ok := b.(*host.BGP)
			if !ok {
				return fmt.Errorf("a %T", b)
			}
			return unix.Kill(process.State().PID, unix.SIGKILL)
		},
		Program: program(p),
		Except: map[string]string{
			"routes-from-peer": "ExaBGP is told not to read what peers announce, so it is not counted",
			"bad-marker":       "ExaBGP 4.2 closes the connection without a NOTIFICATION",
			"short-length":     "ExaBGP 4.2 closes the connection without a NOTIFICATION",
			"cease":            "ExaBGP 4.2 fails on the text of a Cease under Python 3, and does not tell it",
			"truncated-open":   "ExaBGP 4.2 takes an OPEN that was cut short",
		},
		Parallel: 2, // each session is a process in Python
		Patience: time.Minute,
	})
}

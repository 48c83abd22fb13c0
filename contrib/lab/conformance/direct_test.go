package conformance

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stentor-net/stentor/plugins/plugintest"
)

// caseArg has this program run one case, whose name follows a backend's, in
// the network namespace where it is.
const caseArg = "run-case"

// runCase gives the exit code: 0 if the promise is kept.
func runCase(name, one string) int {
	for _, d := range backends {
		if d.name != name {
			continue
		}
		under := d.under()
		under.Cases, under.Except = []string{one}, nil
		kept, err := plugintest.RunBGP(context.Background(), under, func(r plugintest.Result) { fmt.Println(r) })
		if err != nil {
			fmt.Println(err)
		} else if kept {
			return 0
		}
	}
	return 1
}

// testHere runs the suite on a speaker that is in the process that tests it:
// each case in a process and a network namespace of its own.
func testHere(t *testing.T, d driven) {
	free := make(chan struct{}, 8)
	for _, one := range d.under().Names() {
		t.Run(one, func(t *testing.T) {
			t.Parallel()
			free <- struct{}{}
			defer func() { <-free }()
			out, err := alone(caseArg, d.name, one)
			t.Logf("%s", out)
			why, excepted := d.except[one]
			switch {
			case err != nil && !excepted:
				t.Error(err)
			case err == nil && excepted:
				t.Errorf("the promise is kept: take the exception %q off the list", why)
			case strings.HasPrefix(out, "-     "+one+": not run"):
				if !strings.Contains(out, "kill the backend's process") { // it would be our own
					t.Skip(out)
				}
			}
		})
	}
}

// alone runs this program in a network namespace of its own.
func alone(args ...string) (string, error) {
	runtime.LockOSThread() // the parent-death signal is the thread's (prctl(2))
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

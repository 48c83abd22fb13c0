package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
)

// faultyPlugin is the network backend whose fault is its own name, in a folder
// of its own.
func faultyPlugin(t *testing.T, fault string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), fault)
	build := exec.Command("go", "build", "-o", path, "./host/testdata/faulty")
	build.Dir = "../../../plugins"
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	manifest := fmt.Sprintf(`{"name": %q, "kind": "network", "version": "0.1", "api": 1, "caps": ["link"]}`, fault)
	if err := os.WriteFile(path+".json", []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// network is the process of the network backend.
func (v view) network(name string) backendView {
	for _, b := range v.Backends {
		if b.Name == name {
			return b
		}
	}
	return backendView{}
}

// TestFaultyPlugins: whatever a network plugin does wrong, at the start of the
// daemon or later, the daemon and its speaker go on, and status names program,
// fault and fix.
func TestFaultyPlugins(t *testing.T) {
	// later is done to the plugin when all is well.
	signal := func(s syscall.Signal) func(t *testing.T, path string, pid int) {
		return func(t *testing.T, _ string, pid int) {
			if err := syscall.Kill(pid, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tt := range map[string]struct {
		fault string
		later func(t *testing.T, path string, pid int)
		words []string // PATH is the program's
	}{
		"exits at once":            {"exits", nil, []string{"plugin PATH: ended before it shook hands: exit status 3; to see what is wrong with it, run: stentor plugins verify PATH", "libexample.so.1: cannot open"}},
		"prints garbage":           {"garbage", nil, []string{`plugin PATH: is no plugin, or prints before its handshake: its first line on standard output is "welcome`, "logs belong on standard error"}},
		"wrong API":                {"api7", nil, []string{"plugin PATH: api7 speaks plugin API 7, and this Stentor speaks API 1; install a newer Stentor"}},
		"hangs in start":           {"hangstart", nil, []string{"plugin PATH: did not shake hands within 10s, and was killed", "asking the licence server"}},
		"hangs in a call":          {"hangcall", nil, []string{"plugin PATH (pid ", "did not answer Apply in time; to see what is wrong with it, run: stentor plugins verify PATH"}},
		"panics in a goroutine":    {"panicgo", nil, []string{"plugin PATH (pid ", "panic: a bug in a goroutine"}},
		"sends 1 GiB":              {"huge", nil, []string{"larger than the 16 MiB", "ObserveVIPs of plugin PATH"}},
		"leaves children":          {"children", nil, []string{"plugin PATH (pid ", "exit status 1"}},
		"is stopped":               {"ok", signal(syscall.SIGSTOP), []string{"gave no sign of life for 10s, and was killed"}},
		"is killed":                {"ok", signal(syscall.SIGKILL), []string{"plugin PATH (pid ", "signal: killed"}},
		"is writable by all later": {"ok", spoiled, []string{"plugin PATH: PATH can be written by others (mode 0777); run: chmod go-w PATH"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, lab.Embedded)
			path := faultyPlugin(t, tt.fault)
			r.write(lab.HostA, fmt.Sprintf("[network]\nbackend = %q\n[backend.%s]\nplugin = %q\n[bgp]\nprovider = \"linode\"\ndcid = 10\n"+
				"[vip.web]\naddress = \"198.18.0.1/32\"\nrole = \"primary\"\n", tt.fault, tt.fault, path))
			// What somebody else has put there is announced whatever the plugin does.
			r.sh(lab.HostA, "ip", "address", "replace", "198.18.0.1/32", "dev", "lo")
			r.start(lab.HostA)
			r.holds(lab.HostA, 40*time.Second, route)
			speaker := r.status(lab.HostA).speaker()
			if tt.later != nil {
				var pid int
				r.until("the plugin's process", 10*time.Second, func() (bool, string) {
					pid = r.status(lab.HostA).network(tt.fault).PID
					return pid != 0, ""
				})
				tt.later(t, path, pid)
			}
			r.until("status names it", 60*time.Second, func() (bool, string) {
				out, talk, _ := r.run(lab.HostA, "status")
				for _, w := range tt.words {
					if !strings.Contains(strings.Join(strings.Fields(out), " "), strings.ReplaceAll(w, "PATH", path)) {
						return false, fmt.Sprintf("%s%s\nwant: %s", out, talk, w)
					}
				}
				return true, ""
			})
			r.holds(lab.HostA, 5*time.Second, route)
			if now := r.status(lab.HostA).speaker(); now.PID != speaker.PID || now.Restarts != 0 {
				t.Errorf("the speaker was %+v, and is %+v", speaker, now)
			}
			r.stop(lab.HostA)
			r.holds(lab.HostA, 5*time.Second)
		})
	}
}

// spoiled makes a program one that others can write, and has it end.
func spoiled(t *testing.T, path string, pid int) {
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

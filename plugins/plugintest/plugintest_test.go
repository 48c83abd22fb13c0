package plugintest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/plugins"
)

// under gives a reference backend with a bug, in a network namespace of its own.
func under(t *testing.T, bug string) Net {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: make a network namespace")
	}
	etc := t.TempDir()
	var inside func(f func())
	ns := make(chan int)
	// The namespace lives as long as a thread or a file of it.
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		defer close(ns)
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("make a network namespace: %v", err)
			return
		}
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Errorf("ip link set lo up: %v: %s", err, out)
			return
		}
		fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return
		}
		ns <- fd
	}()
	fd, ok := <-ns
	if !ok {
		t.FailNow()
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	inside = func(f func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
				t.Errorf("enter the network namespace: %v", err)
				return
			}
			f()
		}()
		<-done
	}
	return Net{
		Open:   func() (plugins.NetBackend, error) { return &reference{bug: bug, etc: etc}, nil },
		Dirs:   []string{etc},
		Inside: inside,
	}
}

func TestReferenceKeepsAllPromises(t *testing.T) { TestNet(t, under(t, "")) }

// TestBrokenPromisesAreFound: for each case there is a bug that it finds.
func TestBrokenPromisesAreFound(t *testing.T) {
	bugs := map[string][]string{
		"info":            {"says that it is a speaker"},
		"unknown-setting": {"takes any key"},
		"detect":          {"leaves a file when it detects"},
		"plan-is-pure":    {"does it all when it plans"},
		"apply-holds":     {"adds whole subnets", "sees nothing", "leaves an empty file"},
		"apply-twice":     {"writes the same again"},
		"order":           {"minds the order"},
		"change":          {"never removes"},
		"restart":         {"forgets when it is closed"},
		"close":           {"takes all away when it is closed"},
		"adopt":           {"takes what is there for its own"},
		"lost":            {"believes its ledger"},
		"all-or-nothing":  {"goes as far as it can"},
		"many":            {"stops after ten"},
		"ended-context":   {"does not look at its context"},
		"cut-off":         {"tells nobody what it is about to do", "takes its time"},
		"watch":           {"ends Watch with an error"},
	}
	for _, c := range netCases {
		if len(bugs[c.name]) == 0 {
			t.Errorf("no bug shows that case %s can fail", c.name)
		}
		for _, bug := range bugs[c.name] {
			t.Run(c.name+"/"+bug, func(t *testing.T) {
				t.Parallel()
				r := runNetCase(context.Background(), under(t, bug), c)
				if r.Err == nil {
					t.Errorf("a backend that %s passes", bug)
				}
				t.Log(r)
			})
		}
	}
}

func TestRunNet(t *testing.T) {
	var lines []string
	kept := RunNet(context.Background(), under(t, "stops after ten"), func(r Result) { lines = append(lines, r.String()) })
	if kept || len(lines) != len(netCases) {
		t.Errorf("kept %v, %d of %d cases reported", kept, len(lines), len(netCases))
	}
	for _, l := range lines {
		if failed := strings.HasPrefix(l, "FAIL  many: "); failed == strings.HasPrefix(l, "ok    ") {
			t.Error(l)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if RunNet(ended, under(t, ""), func(r Result) { t.Errorf("reported after the end: %s", r) }) {
		t.Error("kept all promises without being asked")
	}
}

func TestSlowness(t *testing.T) {
	for _, tt := range []struct {
		slowness int
		took     time.Duration
		late     bool
	}{
		{0, endTime, false},
		{0, endTime + time.Millisecond, true},
		{3, 3 * endTime, false},
		{3, 3*endTime + time.Millisecond, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			limit := Net{Slowness: tt.slowness}.stretched(endTime)
			err := withinLimit("Apply", limit, func() error { time.Sleep(tt.took); return context.Canceled })
			if errors.Is(err, errLate) != tt.late {
				t.Errorf("%s at slowness %d: %v", tt.took, tt.slowness, err)
			}
		})
	}
}

// TestNoSecondStart: a backend that does not start a second time is told of.
func TestNoSecondStart(t *testing.T) {
	u := under(t, "")
	u.Cases = []string{"restart"}
	open, opened := u.Open, false
	u.Open = func() (plugins.NetBackend, error) {
		if opened {
			return nil, errors.New("out of order")
		}
		opened = true
		return open()
	}
	RunNet(t.Context(), u, func(r Result) {
		if r.Err == nil || !strings.Contains(r.Err.Error(), "open: out of order") {
			t.Errorf("%v", r.Err)
		}
	})
}

package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func create(t *testing.T, name string) *Namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make network namespaces")
	}
	n, err := Create(t.TempDir(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Close()
		if err := Remove(n.Path); err != nil {
			t.Error(err)
		}
	})
	return n
}

func links(t *testing.T) string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range all {
		names = append(names, l.Name)
	}
	return strings.Join(names, " ")
}

func TestDoIsInside(t *testing.T) {
	n := create(t, "inside")
	before := links(t)
	if before == "lo" {
		t.Skip("this machine has no link but lo, so nothing tells the namespaces apart")
	}
	err := n.Do(func() error {
		if got := links(t); got != "lo" {
			return fmt.Errorf("links inside: %s, want lo alone", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if after := links(t); after != before {
		t.Errorf("links outside after Do: %s, want %s", after, before)
	}
	failed := errors.New("failed")
	if err := n.Do(func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("Do gives %v, want its function's error", err)
	}
}

func TestSysctlStaysInside(t *testing.T) {
	n := create(t, "sysctl")
	const path = "/proc/sys/net/ipv4/ip_default_ttl"
	outside, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Sysctl("ipv4.ip_default_ttl", "42"); err != nil {
		t.Fatal(err)
	}
	err = n.Do(func() error {
		got, err := os.ReadFile(path)
		if strings.TrimSpace(string(got)) != "42" {
			t.Errorf("inside it is %q, want 42", got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(path); err != nil || string(again) != string(outside) {
		t.Errorf("outside it went from %q to %q, %v", outside, again, err)
	}
}

func TestCreateLeavesWhatIsThere(t *testing.T) {
	n := create(t, "first")
	if _, err := Create(filepath.Dir(n.Path), filepath.Base(n.Path)); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("Create over a namespace: %v", err)
	}
	if err := n.Do(func() error { return nil }); err != nil {
		t.Errorf("the first one: %v", err)
	}
}

func TestRemoveIsIdempotent(t *testing.T) {
	n := create(t, "twice")
	for range 2 {
		if err := Remove(n.Path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(n.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
}

// TestEnd ends a process that listens to SIGTERM and one that does not, the
// child of another, and leaves those outside alone.
func TestEnd(t *testing.T) {
	n := create(t, "end")
	outside := exec.Command("sleep", "60")
	if err := outside.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { outside.Process.Kill(); outside.Wait() }()

	polite := exec.Command("sleep", "60")
	stubborn := exec.Command("sh", "-c", `trap "" TERM; sleep 60 & echo ready; wait; wait`)
	ready, err := stubborn.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*exec.Cmd{polite, stubborn} {
		if err := n.Do(c.Start); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fmt.Fscanln(ready, new(string)); err != nil {
		t.Fatal(err)
	}
	// Both are children of this process, and stay zombies, in no namespace any
	// more, until they are waited for.
	const grace = 3 * time.Second // the polite one may be slow to get the processor
	if err := End(t.Context(), []string{n.Path, n.Path + "-that-is-not"}, grace); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		cmd  *exec.Cmd
		want syscall.Signal
	}{"polite": {polite, syscall.SIGTERM}, "stubborn": {stubborn, syscall.SIGKILL}} {
		tt.cmd.Wait()
		if got := tt.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != tt.want {
			t.Errorf("the %s process ended by %v, want %v", name, got, tt.want)
		}
	}
	if err := outside.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the process outside: %v", err)
	}
}

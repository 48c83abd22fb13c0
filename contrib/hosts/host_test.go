package hosts_test

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/hosts"
)

func boot(t *testing.T, o hosts.Options) *hosts.Host {
	t.Helper()
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	h, err := hosts.Boot(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Remove(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestHost(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const kept = "/etc/kept"
	h := boot(t, hosts.Options{Suite: hosts.Bookworm, Profile: hosts.Bare, Files: map[string]hosts.File{
		kept: {Content: "before the first boot\n", Mode: 0o640},
	}})
	r, err := h.Exec(ctx, "cat "+kept+"; echo oops >&2; exit 7")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(hosts.Result{Code: 7, Stdout: "before the first boot\n", Stderr: "oops\n"}, r); d != "" {
		t.Errorf("Exec (-want +got):\n%s", d)
	}
	if links := do(t, h, "ls /sys/class/net | xargs"); links != "eth0 lo\n" {
		t.Errorf("links: %s", links)
	}
	if r, err := h.Exec(ctx, "kill -9 $$"); err != nil || r.Code != 128+9 {
		t.Errorf("a killed command: %v, %v", r, err)
	}

	if err := h.Put("/var/lib/new/file", hosts.File{Content: "while on\n", Mode: 0o600}); err != nil {
		t.Error(err)
	}
	files, err := h.Files("/var/lib/new")
	if f := files["/var/lib/new/file"]; err != nil || f.Content != "while on\n" || f.Mode != fs.FileMode(0o600) {
		t.Errorf("Files: %+v, %v", files, err)
	}

	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if _, err := h.Exec(short, "sleep 1000"); err == nil {
		t.Error("Exec did not say that its context ended")
	}

	for name, off := range map[string]func(context.Context) error{"off": h.PowerOff, "cut": h.PowerCut} {
		if err := off(ctx); err != nil {
			t.Fatalf("power %s: %v", name, err)
		}
		if _, err := h.Exec(ctx, "true"); err == nil {
			t.Errorf("power %s: it still runs commands", name)
		}
		if err := h.Put(kept, hosts.File{Content: "while off\n", Mode: 0o600}); err != nil {
			t.Error(err)
		}
		if err := h.Start(ctx); err != nil {
			t.Fatal(err)
		}
		if got := do(t, h, "cat "+kept+" /var/lib/new/file"); got != "while off\nwhile on\n" {
			t.Errorf("after power %s: %s", name, got)
		}
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := boot(t, hosts.Options{Suite: hosts.Bookworm, Profile: hosts.Bare})
	r, err := h.Record(ctx)
	if err != nil {
		t.Fatal(err)
	}
	do(t, h, "ip address add 203.0.113.10/32 dev lo; ip address del 203.0.113.10/32 dev lo; ip link set lo down; ip link set lo up")
	events, err := r.Stop(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		_, what, _ := strings.Cut(e.String(), " ")
		if e.Link == "lo" && (len(got) == 0 || got[len(got)-1] != what) {
			got = append(got, what)
		}
	}
	want := []string{
		"203.0.113.10/32 on lo", "deleted: 203.0.113.10/32 on lo", "lo is down", "deleted: ::1/128 on lo", "lo is up", "::1/128 on lo",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// bootAndHang makes this test binary boot a host and wait to be killed.
const bootAndHang = "STENTOR_TEST_BOOT_AND_HANG"

func TestBootAndHang(t *testing.T) {
	if os.Getenv(bootAndHang) == "" {
		return // it is no test, but the other process of TestCrash
	}
	h, err := hosts.Boot(context.Background(), hosts.Options{Suite: hosts.Bookworm, Profile: hosts.Bare})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("name:", h.Name())
	select {}
}

// TestCrash: a host goes with the process that booted it, and what is left of
// it with the next Boot.
func TestCrash(t *testing.T) {
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	if _, err := hosts.Root(context.Background(), hosts.Bookworm); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestBootAndHang$")
	cmd.Env = append(os.Environ(), bootAndHang+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	name := ""
	for lines := bufio.NewScanner(out); name == "" && lines.Scan(); {
		if after, ok := strings.CutPrefix(lines.Text(), "name: "); ok {
			name = after
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if name == "" {
		t.Fatal("the other process booted nothing")
	}
	deadline := time.After(20 * time.Second)
	for len(processesOf(t, name)) > 0 {
		select {
		case <-deadline:
			t.Fatalf("still there: %v", processesOf(t, name))
		case <-time.After(20 * time.Millisecond):
		}
	}
	boot(t, hosts.Options{Suite: hosts.Bookworm, Profile: hosts.Bare})
	for _, pattern := range []string{filepath.Join(hosts.CacheDir(), "hosts", name+"*"), "/sys/fs/cgroup/*" + name, "/sys/fs/cgroup/*/*" + name} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), name) {
		t.Errorf("mounts of the host show on this machine: %v", err)
	}
}

// processesOf lists processes that run in the control group of a host.
func processesOf(t *testing.T, name string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, p := range paths {
		if b, err := os.ReadFile(p); err == nil && strings.Contains(string(b), name) {
			found = append(found, p)
		}
	}
	return found
}

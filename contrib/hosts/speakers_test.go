package hosts_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// TestSpeakers: the daemons of each root run in a network namespace that has
// nothing else, and answer with the version that the root is for.
func TestSpeakers(t *testing.T) {
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	for _, s := range hosts.AllSpeakers {
		if !everything() && s.Suite != hosts.Bookworm {
			continue // the core builds one root
		}
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j, err := s.Jail(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			ns := namespace(t)
			names, argv := j.FRR()
			for _, name := range names {
				daemon(t, ns, argv[name])
				answers(t, filepath.Join(dir, "run/frr", name+".vty"))
			}
			conf := filepath.Join(dir, "etc/bird/bird.conf")
			if err := os.WriteFile(conf, []byte("router id 192.0.2.1;\nprotocol device {}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			daemon(t, ns, j.BIRD())
			answers(t, filepath.Join(dir, "run/bird/bird.ctl"))

			if out := inside(t, ns, filepath.Join(dir, "bin/vtysh"), "-c", "show version"); !strings.HasPrefix(out, "FRRouting "+s.FRRVersion) {
				t.Errorf("want FRRouting %s: %s", s.FRRVersion, out)
			}
			if out := inside(t, ns, filepath.Join(dir, "bin/birdc"), "show status"); !strings.HasPrefix(out, "BIRD "+s.BIRDVersion+" ready") {
				t.Errorf("want BIRD %s: %s", s.BIRDVersion, out)
			}
			if s.GoBGPVersion != "" {
				if out := inside(t, ns, j.Command("gobgpd", "--version")...); !strings.HasPrefix(out, "gobgpd version "+s.GoBGPVersion) {
					t.Errorf("want gobgpd %s: %s", s.GoBGPVersion, out)
				}
			}
			for _, name := range names {
				if out := inside(t, ns, filepath.Join(dir, "bin/vtysh"), "-c", "show daemons"); !slices.Contains(strings.Fields(out), name) {
					t.Errorf("vtysh does not know %s: %s", name, out)
				}
			}
			script := filepath.Join(dir, "candidate")
			if err := os.WriteFile(script, []byte("router bgp 65001\n no bgp default ipv4-unicast\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			inside(t, ns, filepath.Join(dir, "bin/vtysh"), "-f", script)
			if out := inside(t, ns, filepath.Join(dir, "bin/vtysh"), "-c", "show running-config"); !regexp.MustCompile(`(?m)^router bgp 65001$`).MatchString(out) {
				t.Errorf("the file at the same path inside was not read:\n%s", out)
			}
		})
	}
}

// namespace is a network namespace for one test, kept by a process in it.
func namespace(t *testing.T) (pid int) {
	t.Helper()
	keeper := exec.Command("sh", "-ec", "ip link set lo up; echo; exec cat")
	keeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	in, err := keeper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	ready, err := keeper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = keeper.Wait()
	})
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return keeper.Process.Pid
}

func within(ctx context.Context, ns int, argv []string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{fmt.Sprintf("--net=/proc/%d/ns/net", ns), "--"}, argv...)...)
}

func inside(t *testing.T, ns int, argv ...string) string {
	t.Helper()
	out, err := within(t.Context(), ns, argv).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", argv, err, out)
	}
	return string(out)
}

// daemon runs a command until the end of the test, which has to be in order.
func daemon(t *testing.T, ns int, argv []string) {
	t.Helper()
	cmd := within(context.Background(), ns, argv)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		ended := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil || !ended.Stop() {
			t.Errorf("%s: %v\n%s", argv, err, &log)
		}
	})
}

func answers(t *testing.T, socket string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		if _, err := os.Stat(socket); err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("no daemon made %s", socket)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

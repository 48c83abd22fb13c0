package health

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// sleeper starts a process of that name until the test ends.
func sleeper(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "3600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	until(t, "it has its name", func() bool { // which execve(2) gives it after Start has returned
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		comm, _ := parseStat(stat)
		return err == nil && comm == name[:min(len(name), commLength)]
	})
	return cmd
}

func TestProcess(t *testing.T) {
	// The 17th letter tells the long ones apart, which the kernel does not keep.
	const short, long, longer = "stentor-short", "stentor-longer-a", "stentor-longer-b"
	expect(t, Process{short}, patience, "-no process is called stentor-short")
	cmd := sleeper(t, short)
	expect(t, Process{short}, patience, "+1 running")
	sleeper(t, long)
	expect(t, Process{long}, patience, "+1 running")
	expect(t, Process{longer}, patience, "-no process")
	expect(t, Process{long[:commLength]}, patience, "+1 running")
	expect(t, Process{"stentor-shor"}, patience, "-no process")

	if err := cmd.Process.Kill(); err != nil { // a zombie from here on
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		got := askOnce(t, Process{short}, patience)
		if got.outcome == Bad {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it was killed, and: %s", got.output)
		}
	}
}

func TestProcessWithoutProc(t *testing.T) {
	question, err := Process{"init"}.prepare(&shared{processes: newProcesses(t.TempDir() + "/none")})
	if err != nil {
		t.Fatal(err)
	}
	if got := question(t.Context()); got.outcome != NotRun {
		t.Errorf("%c %s", got.outcome, got.output)
	}
}

func TestProcessesAreReadOnce(t *testing.T) {
	p, now := newProcesses("/proc"), time.Now()
	first, err := p.look(now)
	if err != nil {
		t.Fatal(err)
	}
	first["marked"] = []int{1}
	if second, _ := p.look(now.Add(scanAge - 1)); len(second["marked"]) == 0 {
		t.Error("/proc was read again at once")
	}
	if third, _ := p.look(now.Add(scanAge)); len(third["marked"]) != 0 {
		t.Error("/proc was not read again")
	}
}

func TestParseStat(t *testing.T) {
	tests := []struct {
		stat  string
		name  string
		alive bool
	}{
		{"1 (systemd) S 0 1 1", "systemd", true},
		{"7 (a) R (b) S 0", "a) R (b", true},
		{"8 (gone) Z 1", "", false},
		{"9 () S 1", "", true},
		{"", "", false},
		{"10 (cut", "", false},
		{"10 (cut)", "", false},
		{"10 )(", "", false},
	}
	for _, tt := range tests {
		if name, alive := parseStat([]byte(tt.stat)); name != tt.name || alive != tt.alive {
			t.Errorf("%q is %q, %t; want %q, %t", tt.stat, name, alive, tt.name, tt.alive)
		}
	}
}

func FuzzStat(f *testing.F) {
	for _, s := range []string{"1 (systemd) S 0 1 1", "7 (a) R (b) S 0", "8 (gone) Z 1", ")(", "()", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, stat []byte) { parseStat(stat) })
}

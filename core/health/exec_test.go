package health

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// scriptFile writes an executable that everybody can run.
func scriptFile(t *testing.T, text string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "stentor-check") // t.TempDir lies below a folder for root alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "check")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExec(t *testing.T) {
	t.Setenv("SECRET", "hunter2")
	sh := func(text string) Exec { return Exec{Argv: []string{scriptFile(t, "#!/bin/sh\n"+text+"\n")}} }
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		probe Exec
		want  string
	}{
		{"exit 0", sh("echo all is well"), "+all is well"},
		{"exit 1", sh("echo no database >&2; exit 1"), "-exit status 1. no database"},
		{"exit 255", sh("exit 255"), "-exit status 255"},
		{"a signal", sh("kill -9 $$"), "-signal: killed"},
		{"arguments as they stand", Exec{Argv: []string{"echo", "a  b", "$HOME", "*"}}, "+a  b $HOME *"},
		{"found by its name", Exec{Argv: []string{"true"}}, "+"},
		{"and bad", Exec{Argv: []string{"false"}}, "-exit status 1"},
		{"no such name", Exec{Argv: []string{"stentor-none"}}, `!there is no program "stentor-none"`},
		{"no such path", Exec{Argv: []string{plain + "x"}}, "!there is no program"},
		{"not executable", Exec{Argv: []string{plain}}, "!can't be executed (mode 0644)"},
		{"a folder", Exec{Argv: []string{"/tmp"}}, "!is no program"},
		{"no such interpreter", Exec{Argv: []string{scriptFile(t, "#!/nowhere\n")}}, "!no such file"},
		{"no such user", Exec{Argv: []string{"true"}, User: "stentor-none"}, `!there is no user "stentor-none"`},
		{"nothing of our environment", sh(`echo "[$SECRET]"`), "+[]"},
		{"but a PATH", sh("command -v env; pwd"), "+/usr/bin/env\n/\n"},
		{"no input", sh("cat; echo done"), "+done"},
		{"output without end", sh("yes | head -c 10000000"), "+y"},
		{"a child elsewhere holds the output", sh("setsid sleep 3 & echo started"), "+started"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, tt.probe, patience, tt.want) })
	}
}

func TestExecUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to run as somebody else")
	}
	check := scriptFile(t, "#!/bin/sh\nid -un; id -G\n")
	expect(t, Exec{Argv: []string{check}, User: "nobody"}, patience, "+nobody\n65534\n")
}

// TestExecTimeout has a program that does not heed SIGTERM, and its children.
func TestExecTimeout(t *testing.T) {
	t.Parallel()
	pids, began := filepath.Join(t.TempDir(), "pids"), filepath.Join(t.TempDir(), "began")
	check := scriptFile(t, `#!/bin/sh
trap '' TERM
sleep 3600 &
echo $! >>`+pids+`
sh -c 'trap "" TERM; sleep 3600; sleep 3600' &
echo $! >>`+pids+`
echo $$ >>`+pids+`
echo half way
: >`+began+`
while :; do sleep 1; done
`)
	question, err := Exec{Argv: []string{check}}.prepare(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, timeout := context.WithCancel(t.Context()) // which comes when all of them run
	defer timeout()
	answer := make(chan result, 1)
	go func() { answer <- question(ctx) }()
	until(t, "the script and its children run", func() bool { _, err := os.Stat(began); return err == nil })
	timeout()
	if got, want := <-answer, "killed, as it took too long. half way"; got.outcome != Bad || !strings.Contains(got.output, want) {
		t.Errorf("%c %q, want %q", got.outcome, got.output, want)
	}
	allGone(t, pids, 3)
}

// TestExecLeavesNothing has a program that ends, and leaves a child behind.
func TestExecLeavesNothing(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	check := scriptFile(t, "#!/bin/sh\nsleep 3600 &\necho $! >>"+pids+"\necho started\n")
	expect(t, Exec{Argv: []string{check}}, patience, "+started")
	allGone(t, pids, 1)
}

// allGone waits until no process in a file of n PIDs lives.
func allGone(t *testing.T, file string, n int) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pids := strings.Fields(string(data))
	if len(pids) != n {
		t.Fatalf("%d processes were started, want %d", len(pids), n)
	}
	for _, p := range pids {
		for deadline := time.Now().Add(patience); ; {
			stat, err := os.ReadFile("/proc/" + p + "/stat")
			if _, alive := parseStat(stat); err != nil || !alive {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("process %s is still there", p)
				break
			}
		}
	}
}

// TestVRRPScripts runs what keepalived's documentation gives as examples of a
// vrrp_script: each is good while a server is there, and bad when it went.
func TestVRRPScripts(t *testing.T) {
	for _, needed := range []string{"killall", "pidof", "pgrep", "bash"} {
		if _, err := FindProgram(needed); err != nil {
			t.Skipf("%v; install psmisc, procps, sysvinit-utils, bash", err)
		}
	}
	const daemon = "stentor-haproxy"
	server := sleeper(t, daemon)
	port := strings.TrimPrefix(serve(t, hold), "127.0.0.1:")
	tests := []struct {
		name string
		argv []string
	}{
		{"killall", []string{"/usr/bin/killall", "-0", daemon}},
		{"killall by name", []string{"killall", "-0", daemon}},
		{"pidof", []string{"pidof", daemon}},
		{"a script around killall", []string{scriptFile(t, "#!/bin/bash\n/usr/bin/killall -0 "+daemon+" >/dev/null 2>&1\nexit $?\n")}},
		{"a line for a shell", []string{"/bin/sh", "-c", "/usr/bin/pgrep -x " + daemon[:15] + " >/dev/null || exit 1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, Exec{Argv: tt.argv}, patience, "+") })
	}
	tcp := scriptFile(t, "#!/bin/bash\n</dev/tcp/127.0.0.1/"+port+"\n")
	expect(t, Exec{Argv: []string{tcp}}, patience, "+")
	closed := scriptFile(t, "#!/bin/bash\n</dev/tcp/127.0.0.1/1\n")
	expect(t, Exec{Argv: []string{closed}}, patience, "-exit status 1. ")

	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	for _, tt := range tests {
		t.Run(tt.name+", stopped", func(t *testing.T) { expect(t, Exec{Argv: tt.argv}, patience, "-exit status 1") })
	}
}

func TestFindProgram(t *testing.T) {
	path, err := FindProgram("sh")
	if err != nil || !strings.HasSuffix(path, "/sh") {
		t.Errorf("sh is %q: %v", path, err)
	}
	if err := KnownUser("root"); err != nil {
		t.Error(err)
	}
}

func TestExecGroups(t *testing.T) {
	c, err := credential("root")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("id", "-G", "root").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Trim(fmt.Sprint(c.Groups), "[]"); got != strings.TrimSpace(string(out)) {
		t.Errorf("root's groups are %s, and id says %s", got, out)
	}
}

package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// host makes the host of the guide, in namespaces that end with the script: its
// /etc is a copy, and two shared IPs stand on lo.
const host = `set -e
cp -a /etc "$DIR/etc"
mount --bind "$DIR/etc" /etc
rm -rf /etc/stentor
cat >/etc/systemd/system/lelastic.service <<UNIT
[Service]
Type=simple
ExecStart=/usr/local/bin/lelastic -dcid 10 -primary
ExecReload=/bin/kill -s HUP \$MAINPID
UNIT
ip link set lo up
ip address add 203.0.113.10/32 dev lo
ip address add 2001:db8:7::1/64 dev lo
`

// TestMigrating does what the guide says, and compares what is shown there.
func TestMigrating(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes a network and a mount namespace")
	}
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "stentor"), "./cmd/stentor")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.Symlink("stentor", filepath.Join(dir, "lelastic")); err != nil {
		t.Fatal(err)
	}
	script := host
	var commands []step
	for _, s := range steps(t, "migrating.md") {
		if s.file != "" {
			if err := os.WriteFile(filepath.Join(dir, s.file), []byte(s.text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		commands = append(commands, s)
		script += fmt.Sprintf("{ %s\n} >%s 2>&1\n", s.command, out(dir, len(commands)))
	}
	if len(commands) < 8 {
		t.Fatalf("%d commands only", len(commands))
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "--net", "--mount", "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DIR="+dir, "PATH="+dir+":"+os.Getenv("PATH"))
	said, failed := cmd.CombinedOutput()
	for i, s := range commands {
		text, err := os.ReadFile(out(dir, i+1))
		if err != nil {
			t.Fatalf("migrating.md:%d: %s was not run: %v\n%s", commands[max(i-1, 0)].line, s.command, failed, said)
		}
		rest := string(text)
		for _, line := range s.shows {
			_, after, ok := strings.Cut(rest, strings.TrimSpace(line))
			if !ok {
				t.Errorf("migrating.md:%d: %s does not show %q there:\n%s", s.line, s.command, line, text)
			}
			rest = after
		}
	}
	if failed != nil {
		t.Fatalf("%v\n%s", failed, said)
	}
}

func out(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("out%d", n)) }

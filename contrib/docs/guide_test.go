// Package docs holds the documents for people, and runs the commands in them.
package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWritingABackend does what the guide says, in its order, and compares
// what is shown there.
func TestWritingABackend(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: the suite makes network namespaces")
	}
	if err := exec.Command("/usr/bin/python3", "-c", "import grpc, google.protobuf").Run(); err != nil {
		t.Skip("python3-grpcio or python3-protobuf is not installed")
	}
	t.Parallel()
	source, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "guide") // of a short name, for sockets
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	env := append(os.Environ(), "STENTOR="+source, "PLUGINS="+filepath.Join(dir, "plugins"), "GOWORK=off", "GOFLAGS=-mod=mod")
	all := steps(t, "writing-a-backend.md")
	if len(all) < 15 {
		t.Fatalf("%d steps only: %+v", len(all), all)
	}
	here := dir // a cd of one command is there for the next
	for _, s := range all {
		if s.file != "" {
			if err := os.WriteFile(filepath.Join(here, s.file), []byte(s.text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		where := filepath.Join(dir, ".where")
		cmd := exec.CommandContext(t.Context(), "bash", "-c", fmt.Sprintf("set -e; %s\npwd >%s", s.command, where))
		cmd.Dir, cmd.Env = here, env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("writing-a-backend.md:%d: %s: %v\n%s", s.line, s.command, err, out)
		}
		if line, bad := missing(string(out), s.shows); bad {
			t.Errorf("writing-a-backend.md:%d: %s does not show %q there:\n%s", s.line, s.command, line, out)
		}
		now, err := os.ReadFile(where)
		if err != nil {
			t.Fatal(err)
		}
		here = strings.TrimSpace(string(now))
	}
}

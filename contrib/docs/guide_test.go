// Package docs holds the documents for people, and runs the commands in them.
package docs

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// step is something that a reader does: write a file, or run a command.
type step struct {
	line    int
	file    string   // to be written with text, or
	command string   // to be run,
	shows   []string // and its output has these
	text    string
}

// named is a paragraph that ends with the file that the next block is.
var named = regexp.MustCompile("`([^`]+)`:$")

// steps reads the fenced blocks of a document: those of the language console,
// and those after a paragraph that ends with a file's name and a colon.
func steps(t *testing.T, document string) (all []step) {
	t.Helper()
	f, err := os.Open(document)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	before, language, inside := "", "", false
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch fence, opens := strings.CutPrefix(line, "```"); {
		case opens && !inside:
			inside, language = true, fence
			if m := named.FindStringSubmatch(before); m != nil && language != "console" {
				all = append(all, step{line: n, file: m[1]})
			} else if language != "console" {
				language = ""
			}
		case opens:
			inside, before = false, ""
		case inside && language == "console":
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				all = append(all, step{line: n, command: command})
			} else {
				last := &all[len(all)-1]
				last.shows = append(last.shows, line)
			}
		case inside && language != "":
			all[len(all)-1].text += line + "\n"
		case !inside && line != "":
			before = line
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestWritingABackend does what the guide says, in its order, and compares
// what is shown there.
func TestWritingABackend(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: the suite makes network namespaces")
	}
	if err := exec.Command("/usr/bin/python3", "-c", "import grpc, google.protobuf").Run(); err != nil {
		t.Skip("python3-grpcio or python3-protobuf is not installed")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "guide") // of a short name, for sockets
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "bin")
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "stentor"), "./cmd/stentor")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	env := append(os.Environ(), "STENTOR="+root, "PLUGINS="+filepath.Join(dir, "plugins"), "PATH="+bin+":"+os.Getenv("PATH"), "GOWORK=off", "GOFLAGS=-mod=mod")
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
		for _, line := range s.shows {
			if !strings.Contains(string(out), strings.TrimSpace(line)) {
				t.Errorf("writing-a-backend.md:%d: %s does not show %q:\n%s", s.line, s.command, line, out)
			}
		}
		now, err := os.ReadFile(where)
		if err != nil {
			t.Fatal(err)
		}
		here = strings.TrimSpace(string(now))
	}
}

package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// longest is how long a document may take, which has commands that wait for
// something without an end.
const longest = 3 * time.Minute

// walk does what a document says, in its order and on a host of its own, and
// compares what is shown there. The host is made by testdata/host.sh and the
// other scripts, in namespaces that end with the last command.
func walk(t *testing.T, document string, scripts ...string) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes a network, a mount and a process namespace")
	}
	dir := t.TempDir()
	data, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, name := range append([]string{"host.sh"}, scripts...) {
		fmt.Fprintf(&script, ". %s\n", filepath.Join(data, name))
	}
	var commands []step
	for i, s := range steps(t, document) {
		switch {
		case s.command != "":
			commands = append(commands, s)
			run := fmt.Sprintf("{ %s\n} >%s 2>&1\n", s.command, output(dir, len(commands)))
			if look.MatchString(s.command) && len(s.shows) > 0 {
				run = fmt.Sprintf("for _ in {1..100}; do\n%sif shows %s%s; then break; fi\nsleep 0.2\ndone\n", run, output(dir, len(commands)), patterns(s.shows))
			}
			script.WriteString(run)
		case filepath.IsAbs(s.file): // on that host
			text := filepath.Join(dir, fmt.Sprintf("file%d", i))
			if err := os.WriteFile(text, []byte(s.text), 0o644); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&script, "install -D -m 0644 %s %s\n", text, s.file)
		default: // where the commands run; they may stand before it
			if err := os.WriteFile(filepath.Join(dir, s.file), []byte(s.text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(commands) == 0 {
		t.Fatalf("%s: no commands", document)
	}
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", script.String())
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "DIR="+dir, "DATA="+data, "LC_ALL=C.UTF-8")
	said, failed := cmd.CombinedOutput()
	for i, s := range commands {
		text, err := os.ReadFile(output(dir, i+1))
		if err != nil {
			break // failed tells
		}
		if line, bad := missing(string(text), s.shows); bad {
			t.Errorf("%s:%d: %s\ndoes not show %q there:\n%s", document, s.line, s.command, line, text)
		}
	}
	if failed != nil {
		t.Fatalf("%s: %v\n%s%s", document, failed, said, lastWords(dir, commands))
	}
}

// look is a command that only looks. A reader gets to it later than a script,
// which looks again for a while: the others on the wire do things in their time.
var look = regexp.MustCompile(`^(stentor status|vtysh -c "show|birdc show)[^|;&]*$`)

// patterns are of what is shown, for grep -E.
func patterns(shows []string) (words string) {
	for _, line := range shows {
		var parts []string // as shown has it
		for part := range strings.SplitSeq(line, "...") {
			parts = append(parts, regexp.QuoteMeta(strings.TrimSpace(part)))
		}
		words += " '" + strings.ReplaceAll(strings.Join(parts, ".*"), "'", `'\''`) + "'"
	}
	return words
}

// lastWords is what the last command that was run said, and the daemon's log.
func lastWords(dir string, commands []step) string {
	words := ""
	for i, s := range commands {
		if text, err := os.ReadFile(output(dir, i+1)); err == nil {
			words = fmt.Sprintf("line %d: %s\n%s", s.line, s.command, text)
		}
	}
	log, _ := os.ReadFile(filepath.Join(dir, "stentor.log")) // it may not have come so far
	return words + string(log)
}

// output is where the nth command's output goes.
func output(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("out%d", n)) }

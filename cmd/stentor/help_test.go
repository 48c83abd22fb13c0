package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestHelpFits: the help of every verb is an answer on stdout, and fits on a
// screen.
func TestHelpFits(t *testing.T) {
	const columns, rows = 80, 40
	for _, name := range []string{"STENTOR_CONFIG", "STENTOR_SOCKET", "STENTOR_STATE_DIR"} {
		t.Setenv(name, "") // a longer default would break the lines elsewhere
	}
	verbs := 0
	var look func(c *cobra.Command, path []string)
	look = func(c *cobra.Command, path []string) {
		verbs++
		var out, talk bytes.Buffer
		if code := run(append(path, "--help"), &out, &talk); code != exitDone || talk.Len() > 0 {
			t.Errorf("%s --help: exit code %d, and says %q", c.CommandPath(), code, talk.String())
		}
		text := lines(out.String())
		if len(text) > rows {
			t.Errorf("%s --help has %d lines, and a screen %d", c.CommandPath(), len(text), rows)
		}
		for _, l := range text {
			if n := utf8.RuneCountInString(l); n > columns {
				t.Errorf("%s --help: %d columns: %s", c.CommandPath(), n, l)
			}
		}
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				look(sub, append(path[:len(path):len(path)], sub.Name()))
			}
		}
	}
	root := (&app{out: io.Discard, talk: io.Discard}).command()
	look(root, nil)
	if verbs < 30 {
		t.Errorf("looked at %d verbs", verbs)
	}
	if c, _, err := root.Find([]string{"completion"}); err != nil || !c.IsAvailableCommand() || !strings.Contains(root.UsageString(), "\n  completion ") {
		t.Error("completion is not listed")
	}
}

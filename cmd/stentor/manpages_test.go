package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manDir is where the pages shall go when packages are made. The library that
// writes them is of no use to the program, so it is not linked into it.
var manDir = flag.String("man", "", "write the manual pages of the verbs to this `DIR`")

// TestManPages writes a page for each verb that is for people.
func TestManPages(t *testing.T) {
	dir := *manDir
	if dir == "" {
		dir = t.TempDir()
	}
	for _, name := range []string{"STENTOR_CONFIG", "STENTOR_SOCKET", "STENTOR_STATE_DIR"} {
		t.Setenv(name, "") // the builder's own would stand as the defaults
	}
	root := (&app{out: io.Discard, talk: io.Discard}).command()
	root.DisableAutoGenTag = true // no line about the generator
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "stentor", Manual: "Stentor"}, dir); err != nil {
		t.Fatal(err)
	}
	pages := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		text, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		if err != nil || !strings.Contains(string(text), c.Name()) {
			t.Errorf("the page of %q: %v\n%s", c.CommandPath(), err, text)
		}
		pages++
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				look(sub)
			}
		}
	}
	look(root)
	if pages < 20 {
		t.Errorf("only %d pages", pages)
	}
	finish(t, filepath.Join(dir, "stentor.1"))
}

// finish puts into the page of the program what no verb's help tells.
func finish(t *testing.T, page string) {
	t.Helper()
	more, err := os.ReadFile("../../contrib/man/stentor.1.more")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(text), ".SH SEE ALSO")
	if !ok {
		t.Fatalf("%s has no SEE ALSO", page)
	}
	if err := os.WriteFile(page, []byte(before+string(more)+".SH SEE ALSO"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

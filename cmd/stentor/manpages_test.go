package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
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
	all, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range all {
		edit(t, page, hangOptions)
	}
	edit(t, filepath.Join(dir, "stentor.1"), func(text string) string { return finish(t, text, root) })
}

func edit(t *testing.T, page string, change func(string) string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(page, []byte(change(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
}

// option is one as the library writes it: the text follows on a line with a tab.
var option = regexp.MustCompile(`(?m)\n*(?:^\.PP\n)?^(\\fB-.*)\n\t(.*)$`)

// hangOptions has the text of each option hang below it, as manual pages have it
// (man-pages(7)).
func hangOptions(text string) string {
	text = option.ReplaceAllString(text, "\n.TP\n$1\n$2")
	return strings.NewReplacer("[=false]", "", `\fP=""`, `\fP`).Replace(text)
}

// finish puts into the page of the program the verbs, and what no verb's help tells.
func finish(t *testing.T, text string, root *cobra.Command) string {
	t.Helper()
	more, err := os.ReadFile("../../contrib/man/stentor.1.more")
	if err != nil {
		t.Fatal(err)
	}
	const flags, options, also = `\fBstentor [flags]\fP`, ".SH OPTIONS", ".SH SEE ALSO"
	for _, part := range []string{flags, options, also} {
		if !strings.Contains(text, part) {
			t.Fatalf("stentor.1 has no %q", part)
		}
	}
	var verbs strings.Builder
	verbs.WriteString(".SH VERBS\nEach has a page of its own, such as\n.BR stentor-status (1).\n")
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			fmt.Fprintf(&verbs, ".TP\n.B %s\n%s.\n", c.Name(), c.Short)
		}
	}
	text = strings.Replace(text, flags, `\fBstentor\fP [\fIVERB\fP] [\fIOPTIONS\fP]`, 1)
	text = strings.Replace(text, options, verbs.String()+options, 1)
	return strings.Replace(text, also, string(more)+also+"\n\\fBstentor.toml(5)\\fP, \\fBstentor-plugin(7)\\fP,", 1)
}

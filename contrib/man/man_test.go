package man_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/man"
)

// TestEveryKey has man(1) render the page, and looks for each key and table of
// the reference on a line of its own.
func TestEveryKey(t *testing.T) {
	reference, err := os.ReadFile("../../core/config/reference.toml")
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "stentor.toml.5")
	if err := os.WriteFile(page, man.TOML(string(reference), time.Unix(0, 0)), 0o644); err != nil {
		t.Fatal(err)
	}
	shown := render(t, page)
	settings := regexp.MustCompile(`(?m)^#?(\[[^]\n]+\]$|[A-Za-z0-9_-]+ = .*)`).FindAllStringSubmatch(string(reference), -1)
	if len(settings) < 100 {
		t.Fatalf("found only %d keys in the reference", len(settings))
	}
	want := map[string]int{}
	for _, s := range settings {
		want[s[1]]++
	}
	lines := map[string]int{}
	for l := range strings.Lines(shown) {
		lines[strings.TrimSpace(l)]++
	}
	for s, n := range want {
		if lines[s] < n {
			t.Errorf("%q stands %d times in the reference, and %d times in the page", s, n, lines[s])
		}
	}
}

// TestPlugin has man(1) read the page that is written by hand.
func TestPlugin(t *testing.T) {
	if shown := render(t, "stentor-plugin.7"); !strings.Contains(shown, "stentor plugins verify") {
		t.Errorf("rendered as:\n%s", shown)
	}
}

// render fails on whatever man(1) warns of.
func render(t *testing.T, page string) string {
	t.Helper()
	if _, err := exec.LookPath("man"); err != nil {
		t.Skip("needs the package man-db")
	}
	cmd := exec.Command("man", "--warnings=w", "-E", "UTF-8", "-l", page)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "MANWIDTH=200", "MANROFFOPT=", "MAN_KEEP_FORMATTING=", "LC_ALL=C.UTF-8", "MANPAGER=cat", "GROFF_NO_SGR=1"}
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil || said.Len() > 0 {
		t.Fatalf("man -l %s: %v\n%s", page, err, said.String())
	}
	return regexp.MustCompile(".\b").ReplaceAllString(string(out), "")
}

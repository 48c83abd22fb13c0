package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMessages looks in the source for every message that troubleshooting.md has
// a row for: what stands in the first column as code, in the parts that "..." leaves.
func TestMessages(t *testing.T) {
	t.Parallel()
	source := sources(t)
	span := regexp.MustCompile("`([^`]+)`")
	found := 0
	for i, line := range lines(t, "troubleshooting.md") {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `") || len(cells) != 3 || strings.HasPrefix(line, "| `stentor ") {
			continue
		}
		for _, m := range span.FindAllStringSubmatch(cells[0], -1) {
			for part := range strings.SplitSeq(m[1], "...") {
				found++
				if part = strings.Trim(part, " ;:,"); !strings.Contains(source, part) {
					t.Errorf("troubleshooting.md:%d: no message has %q", i+1, part)
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("%d parts of messages only", found)
	}
}

// sources are the files of the program, as one text.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"cmd", "core", "netbackends", "bgpbackends", "plugins"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

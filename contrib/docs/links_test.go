package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinks follows every link of every document in the source that leads to
// another file of it, and to a heading in there.
func TestLinks(t *testing.T) {
	t.Parallel()
	documents := markdown(t)
	if len(documents) < 20 {
		t.Fatalf("found only %v", documents)
	}
	for _, document := range documents {
		for _, target := range links(t, document) {
			path, anchor, _ := strings.Cut(target, "#")
			file := document
			if path != "" {
				file = filepath.Join(filepath.Dir(document), path)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s: %v", document, target, err)
			} else if anchor != "" && !headings(t, file)[anchor] {
				t.Errorf("%s: %s: %s has no such heading", document, target, file)
			}
		}
	}
}

// markdown lists the documents of the source, without what builds leave.
func markdown(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path == filepath.Join(root, "dist") || strings.HasPrefix(d.Name(), ".git")) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			all = append(all, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// links are the targets within the source.
func links(t *testing.T, document string) (all []string) {
	for _, line := range prose(t, document) {
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(m[1], "://") {
				all = append(all, m[1])
			}
		}
	}
	return all
}

// headings are the anchors of a document, as GitHub makes them.
func headings(t *testing.T, document string) map[string]bool {
	all := map[string]bool{}
	for _, line := range prose(t, document) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			title = unspoken.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			all[strings.ReplaceAll(title, " ", "-")] = true
		}
	}
	return all
}

var unspoken = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)

// prose is a document without its fenced blocks.
func prose(t *testing.T, document string) (all []string) {
	t.Helper()
	inside := false
	for _, line := range lines(t, document) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inside = !inside
		} else if !inside {
			all = append(all, line)
		}
	}
	return all
}

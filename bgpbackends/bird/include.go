package bird

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

const (
	// maxDepth is how deep BIRD follows includes (its manual, "include").
	maxDepth = 8
	// maxFiles bounds how many files of the operator's are looked at.
	maxFiles = 1000
)

// included looks whether BIRD's configuration includes our file, and says what
// to add if it does not. Where the files can't be read from here, as when BIRD
// runs in a container, BIRD itself has the last word when it was configured.
func (b *Backend) included(main string) error {
	w, err := includes(main)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, p := range w.patterns {
		if ok, err := filepath.Match(p, b.file.path()); ok && err == nil {
			return nil
		}
	}
	text := fmt.Sprintf("%s does not include %s, and stentor changes no file of yours; add the line\n    include \"%s\";\nto %s, outside of any braces (nothing needs to be restarted)",
		main, b.file.path(), b.file.pattern(), main)
	if other := otherFolder(w.patterns); other != "" {
		text += fmt.Sprintf("; or write include_dir = %q into [backend.bird], a folder that it includes already", other)
	}
	return fmt.Errorf("%s: %w", text, plugins.ErrUnsupported)
}

// otherFolder gives a folder in which a file of our name would be included.
func otherFolder(patterns []string) string {
	for _, p := range patterns {
		dir := filepath.Dir(p)
		if ok, err := filepath.Match(filepath.Base(p), fileName); ok && err == nil && !strings.ContainsAny(dir, "*?[") {
			return dir
		}
	}
	return ""
}

// includes follows all include statements outside of braces, from main on.
func includes(main string) (walk, error) {
	var w walk
	err := w.file(main, 0)
	return w, err
}

// walk is what was met on the way through BIRD's configuration.
type walk struct {
	files    []string
	patterns []string // absolute
}

func (w *walk) file(path string, depth int) error {
	if len(w.files) >= maxFiles || depth > maxDepth {
		return nil
	}
	raw, err := readFile(path)
	if err != nil {
		return err
	}
	w.files = append(w.files, path)
	for _, p := range scanIncludes(string(raw)) {
		if !filepath.IsAbs(p) {
			p = filepath.Join(filepath.Dir(path), p)
		}
		w.patterns = append(w.patterns, p)
		files, err := filepath.Glob(p)
		if err != nil {
			continue // BIRD's affair
		}
		slices.Sort(files)
		for _, f := range files {
			if err := w.file(f, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// scanIncludes finds the include statements of a file that stand outside of
// braces. BIRD knows the word only at the beginning of a line, before any of
// the rest is parsed; comments run from # to the end of the line and from /* to
// */, and strings in double quotes end with the line.
func scanIncludes(text string) []string {
	var found []string
	depth, lineStart := 0, true
	for i := 0; i < len(text); {
		rest := text[i:]
		if path, n, ok := includeStatement(rest); ok && lineStart && depth == 0 {
			found = append(found, path)
			i += n
			lineStart = false
			continue
		}
		switch c := rest[0]; {
		case c == '#':
			i += length(rest, "\n", 0)
			continue
		case strings.HasPrefix(rest, "/*"):
			i += length(rest, "*/", 2)
			continue
		case c == '"':
			i += 1 + min(length(rest[1:], "\"", 1), length(rest[1:], "\n", 0))
			lineStart = false
			continue
		case c == '{':
			depth++
		case c == '}':
			depth--
		}
		lineStart = rest[0] == '\n' || lineStart && (rest[0] == ' ' || rest[0] == '\t')
		i++
	}
	return found
}

// length is the distance to the end of the first end in s, or to the end of s;
// of end itself as many bytes count as take says.
func length(s, end string, take int) int {
	if n := strings.Index(s, end); n >= 0 {
		return n + take
	}
	return len(s)
}

// includeStatement reads `include "path";` at the beginning of rest.
func includeStatement(rest string) (path string, n int, ok bool) {
	s, ok := strings.CutPrefix(strings.TrimLeft(rest, " \t"), "include")
	s = strings.TrimLeft(s, " \t")
	if !ok || !strings.HasPrefix(s, "\"") {
		return "", 0, false
	}
	path, s, ok = strings.Cut(s[1:], "\"")
	s = strings.TrimLeft(s, " \t")
	if !ok || strings.Contains(path, "\n") || !strings.HasPrefix(s, ";") {
		return "", 0, false
	}
	return path, len(rest) - len(s) + 1, true
}

package ifupdown

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const (
	// maxFile bounds one file, in bytes.
	maxFile = 1 << 20
	// maxFiles and maxDepth bound what sourced files can make of one another.
	maxFiles = 1000
	maxDepth = 16
)

// layout is what interfaces(5) and all that it sources say, as far as our file
// and lo go.
type layout struct {
	reads  bool // the file asked for is sourced
	autoLo bool // some other file brings lo up at boot
}

// reader follows source lines. A file that can't be read is skipped, as
// ifupdown does.
type reader struct {
	root  fs.FS
	file  string // absolute: the one that is looked for
	found layout
	count int
}

// readLayout reads the file called name, and what it sources.
func readLayout(root fs.FS, name, file string) (layout, error) {
	r := &reader{root: root, file: file}
	err := r.read(name, 0)
	return r.found, err
}

var errTooMany = errors.New("its source lines lead to too many files")

func (r *reader) read(name string, depth int) error {
	if r.count++; r.count > maxFiles || depth > maxDepth {
		return fmt.Errorf("%s: %w", name, errTooMany)
	}
	content, err := readFile(r.root, name)
	if err != nil {
		return err
	}
	for _, words := range logicalLines(content) {
		switch {
		case words[0] == "auto" || words[0] == "allow-auto":
			if slices.Contains(words[1:], "lo") {
				r.found.autoLo = true
			}
		case words[0] == "source" || words[0] == "source-directory":
			for _, pattern := range words[1:] {
				if !path.IsAbs(pattern) {
					pattern = path.Join(path.Dir(name), pattern)
				}
				if err := r.follow(words[0], path.Clean(pattern), depth); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *reader) follow(verb, pattern string, depth int) error {
	if verb == "source-directory" {
		pattern = path.Join(pattern, "*")
	}
	if ok, _ := path.Match(pattern, r.file); ok {
		r.found.reads = true
	}
	names, err := fs.Glob(r.root, strings.TrimPrefix(pattern, "/"))
	if err != nil {
		return nil // a pattern that is none names no file
	}
	for _, n := range names {
		if "/"+n == r.file || path.Base(n)[0] == '.' || verb == "source-directory" && !plainName(path.Base(n)) {
			continue
		}
		if err := r.read("/"+n, depth+1); errors.Is(err, errTooMany) {
			return err
		}
	}
	return nil
}

// plainName is what source-directory takes (interfaces(5)).
func plainName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// logicalLines splits into words, joins lines that end in a backslash, and
// drops comments and empty ones.
func logicalLines(content []byte) [][]string {
	var all [][]string
	pending := ""
	for line := range strings.Lines(string(content)) {
		line = strings.TrimRight(line, "\r\n")
		if pending == "" && strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if rest, more := strings.CutSuffix(line, `\`); more {
			pending += rest
			continue
		}
		if words := strings.Fields(pending + line); len(words) > 0 {
			all = append(all, words)
		}
		pending = ""
	}
	if words := strings.Fields(pending); len(words) > 0 {
		all = append(all, words)
	}
	return all
}

func readFile(root fs.FS, name string) ([]byte, error) {
	st, err := fs.Stat(root, name[1:])
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, fmt.Errorf("%s is no regular file of at most %d MiB", name, maxFile>>20)
	}
	return fs.ReadFile(root, name[1:])
}

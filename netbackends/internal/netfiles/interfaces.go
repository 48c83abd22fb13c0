package netfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// InterfacesPath is where ifupdown starts to read.
const InterfacesPath = "/etc/network/interfaces"

const (
	// maxFiles and maxDepth bound what sourced files can make of one another.
	maxFiles = 1000
	maxDepth = 16
)

// ErrTooMany: files that source one another.
var ErrTooMany = errors.New("its source lines lead to too many files")

// Interfaces is what interfaces(5) and all that it sources say.
type Interfaces struct {
	Lines    []Line
	Patterns []string // absolute, as path.Match takes them: which files are read
}

// Line is a logical one: continued lines are joined, comments left out.
type Line struct {
	Path   string // absolute
	Number int    // of its first part
	Words  []string
	ours   bool // it stands in a file of ours
}

// Reads tells whether a file of that name is read, there or not.
func (i Interfaces) Reads(file string) bool {
	for _, p := range i.Patterns {
		if ok, _ := path.Match(p, file); ok {
			return true
		}
	}
	return false
}

// ReadInterfaces reads /etc/network/interfaces and what it sources. A sourced
// file that can't be read is skipped, as ifupdown does.
func ReadInterfaces(root fs.FS) (Interfaces, error) {
	r := &interfacesReader{root: root}
	err := r.read(InterfacesPath, 0)
	return r.all, err
}

type interfacesReader struct {
	root  fs.FS
	all   Interfaces
	count int
}

func (r *interfacesReader) read(name string, depth int) error {
	if r.count++; r.count > maxFiles || depth > maxDepth {
		return fmt.Errorf("%s: %w", name, ErrTooMany)
	}
	content, err := Read(r.root, name)
	if err != nil {
		return err
	}
	ours := foreign(r.root, name) == nil
	for _, l := range logicalLines(content) {
		l.Path, l.ours = name, ours
		r.all.Lines = append(r.all.Lines, l)
		if l.Words[0] != "source" && l.Words[0] != "source-directory" {
			continue
		}
		for _, pattern := range l.Words[1:] {
			if !path.IsAbs(pattern) {
				pattern = path.Join(path.Dir(name), pattern)
			}
			if err := r.follow(l.Words[0], path.Clean(pattern), depth); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *interfacesReader) follow(verb, pattern string, depth int) error {
	if verb == "source-directory" {
		pattern = path.Join(pattern, "*")
	}
	r.all.Patterns = append(r.all.Patterns, pattern)
	names, err := fs.Glob(r.root, strings.TrimPrefix(pattern, "/"))
	if err != nil {
		return nil // a pattern that is none names no file
	}
	for _, n := range names {
		if path.Base(n)[0] == '.' || verb == "source-directory" && !plainName(path.Base(n)) {
			continue
		}
		if err := r.read("/"+n, depth+1); errors.Is(err, ErrTooMany) {
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
func logicalLines(content []byte) []Line {
	var all []Line
	pending, first, number := "", 0, 0
	flush := func(text string) {
		if words := strings.Fields(pending + text); len(words) > 0 {
			all = append(all, Line{Number: first, Words: words})
		}
		pending, first = "", 0
	}
	for line := range strings.Lines(string(content)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if pending == "" && strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if first == 0 {
			first = number
		}
		if rest, more := strings.CutSuffix(line, `\`); more {
			pending += rest
			continue
		}
		flush(line)
	}
	flush("")
	return all
}

package migrate

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/core/draft"
)

// Secret is a password that stood in a configuration: it goes into a file of
// its own, and into nothing that is printed.
type Secret struct {
	File string // where the config looks for it
	Text string
	Line int
}

// Converted is what became of a configuration.
type Converted struct {
	TOML    []byte
	Secrets []Secret
}

// source is what a reader of one configuration collects.
type source struct {
	name    string // of the file
	keys    string // the folder for passwords
	doc     draft.Doc
	names   draft.Namer
	left    []leftover
	told    map[leftover]bool
	secrets []Secret
}

// leftover is a statement that could not be carried over.
type leftover struct {
	line      int
	text, why string
}

func newSource(what, name, keys string) *source {
	s := &source{name: name, keys: keys, told: map[leftover]bool{}}
	s.doc.Head = []string{"Made by `stentor import " + what + "` from", "", "    " + name}
	return s
}

// leave notes what could not be carried over, once.
func (s *source) leave(line int, text, why string) {
	if l := (leftover{line, text, why}); !s.told[l] {
		s.told[l] = true
		s.left = append(s.left, l)
	}
}

// secret puts a password aside, and gives the path that the config names.
func (s *source) secret(peer, text string, line int) string {
	path := filepath.Join(s.keys, peer+".key")
	s.secrets = append(s.secrets, Secret{File: path, Text: text, Line: line})
	return path
}

func (s *source) done() Converted {
	slices.SortStableFunc(s.left, func(a, b leftover) int { return cmp.Compare(a.line, b.line) })
	if len(s.left) > 0 {
		s.doc.Tail = []string{"Not carried over:"}
	}
	for i, l := range s.left {
		if i == maxLeft {
			s.doc.Tail = append(s.doc.Tail, fmt.Sprintf("  ... and %d more", len(s.left)-i))
			break
		}
		s.doc.Tail = append(s.doc.Tail, fmt.Sprintf("  - %s:%d: %s", filepath.Base(s.name), l.line, l.text), "      "+l.why)
	}
	return Converted{TOML: s.doc.Bytes(), Secrets: s.secrets}
}

// maxLeft is how many leftovers a person would read.
const maxLeft = 500

// hidden is a statement without what follows its word "password".
func hidden(words []string) string {
	var out []string
	for _, w := range words {
		out = append(out, w)
		if strings.EqualFold(w, "password") || strings.EqualFold(w, "auth_pass") {
			return strings.Join(append(out, "..."), " ")
		}
	}
	return strings.Join(out, " ")
}

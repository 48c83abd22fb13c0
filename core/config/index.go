package config

import (
	"bytes"
	"regexp"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// span is a range of bytes in a file.
type span struct{ start, end int }

// node is one key, table or array element, and where it stands. The tree of
// nodes runs parallel to the tree of values that the TOML parser gives, which
// knows no positions.
type node struct {
	key   span             // the name, where it is first written
	val   span             // the value; the header or the braces of a table
	keys  map[string]*node // of a table
	elems []*node          // of an array

	depth    int  // levels below the root
	size     int  // bytes of the dotted path
	header   bool // a [header] of its own defined it
	assigned bool // key = value defined it
}

// source is one file of the config.
type source struct {
	name  string
	data  []byte
	lines []int // where each line starts
	order int   // which of the files it is
	// unread: the file could not be taken, so what it says is not known.
	unread bool
}

func newSource(name string, data []byte) *source {
	s := &source{name: name, data: data, lines: []int{0}}
	for i, c := range data {
		if c == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// place is a span of a source. The zero span of a source is the file as a
// whole.
type place struct {
	src *source
	at  span
}

// maxSource is how many characters of a line a finding shows.
const maxSource = 240

// resolve counts lines and characters, as an editor does.
func (p place) resolve() (pos Pos, length int, line string) {
	if p.src == nil {
		return pos, 0, ""
	}
	pos.File = p.src.name
	if p.at == (span{}) || len(p.src.data) == 0 {
		return pos, 0, ""
	}
	start := min(max(p.at.start, 0), len(p.src.data))
	n := sort.SearchInts(p.src.lines, start+1) - 1
	text := p.src.data[p.src.lines[n]:]
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = bytes.TrimSuffix(text[:i], []byte("\r"))
	}
	before := min(start-p.src.lines[n], len(text))
	within := min(max(p.at.end-p.src.lines[n], before), len(text))
	pos.Line = n + 1
	pos.Col = utf8.RuneCount(text[:before]) + 1
	return pos, max(1, utf8.RuneCount(text[before:within])), shown(text)
}

// shown makes a source line fit to be printed: no secret, no character that
// a terminal would obey, not too long.
func shown(line []byte) string {
	s := redact(string(line[:min(len(line), maxSource*utf8.UTFMax)]))
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxSource {
			b.WriteRune('…')
			break
		}
		if r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}

// redact cuts what is assigned to a key that sounds like a secret. Secrets
// belong in a file of their own, but people write password = "..." first, or
// the password for the file's name, and what we print ends in logs and tickets.
func redact(line string) string {
	lower := []byte(line) // strings.ToLower can change the length
	for i, c := range lower {
		if c >= 'A' && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	cut := len(line)
	for _, word := range []string{"passw", "secret", "token", "key"} {
		for from := 0; ; {
			i := bytes.Index(lower[from:], []byte(word))
			if i < 0 {
				break
			}
			from += i + len(word)
			eq := bytes.IndexByte(lower[from:], '=')
			if eq < 0 {
				break
			}
			name := string(bytes.TrimRight(lower[from:from+eq], " \t\"'"))
			if word != "passw" && strings.HasSuffix(name, "_file") || strings.ContainsAny(name, " \t#") {
				continue
			}
			cut = min(cut, from+eq+1)
			break
		}
	}
	if user := userinfo.FindStringIndex(line); user != nil {
		cut = min(cut, user[0])
	}
	if cut == len(line) {
		return line
	}
	return line[:cut] + " ..."
}

// userinfo is where a URL may have a password (RFC 3986 §3.2.1).
var userinfo = regexp.MustCompile(`//[^/?#"'@]*:[^/?#"'@]*@`)

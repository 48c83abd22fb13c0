package config

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits that keep a broken or hostile file away from the TOML parser: it
// recurses with the nesting until the stack ends, and it keeps the dotted path
// of every key.
const (
	maxDepth = 64
	maxPath  = 256 // bytes
)

// problem is a mistake at a place of one file.
type problem struct {
	at        span
	msg, hint string
}

// scanner walks TOML 1.1 lexically and builds the tree of positions. It takes
// everything that the parser takes; what it lets pass beyond that, such as
// 1979-99-99, the parser refuses.
type scanner struct {
	data  []byte
	pos   int
	root  *node
	table *node  // the table that the last header opened
	bare  []span // values outside quotes
	twice []twice
	parts []part // of the key being read; reused
}

// twice is a name that is defined a second time.
type twice struct {
	name          string
	header        bool
	first, second span
}

// part is one name of a dotted key.
type part struct {
	name string
	at   span
}

// scan reads one file up to its end or its first mistake.
func scan(data []byte) (*scanner, *problem) {
	root := &node{keys: map[string]*node{}}
	s := &scanner{data: data, root: root, table: root}
	if p := badBytes(data); p != nil {
		return s, p
	}
	for {
		s.skipBlank()
		if s.pos >= len(s.data) {
			return s, nil
		}
		read := s.assignment
		if s.data[s.pos] == '[' {
			read = s.header
		}
		if p := read(); p != nil {
			return s, p
		}
		if p := s.endOfLine(); p != nil {
			return s, p
		}
	}
}

// badBytes finds what TOML allows nowhere.
func badBytes(data []byte) *problem {
	first := span{0, 1}
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return &problem{first, "the file starts with a byte order mark", `save it as "UTF-8 without BOM"`}
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return &problem{first, "the file is UTF-16, and must be UTF-8", `convert it: iconv -f UTF-16 -t UTF-8`}
	}
	for i := 0; i < len(data); {
		r, w := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && w == 1:
			return &problem{span{i, i + 1}, fmt.Sprintf("byte 0x%02x is not UTF-8", data[i]), "save the file as UTF-8"}
		case r == '\r' && i+1 < len(data) && data[i+1] == '\n', r == '\t', r == '\n':
		case r < ' ', r == 0x7f:
			return &problem{span{i, i + 1}, fmt.Sprintf("control character U+%04X", r), "delete it"}
		}
		i += w
	}
	return nil
}

// header reads [a.b] or [[a.b]].
func (s *scanner) header() *problem {
	start := s.pos
	brackets := 1
	if bytes.HasPrefix(s.data[s.pos:], []byte("[[")) {
		brackets = 2
	}
	s.pos += brackets
	s.skipSpace()
	if s.peek() == ']' {
		return &problem{span{start, s.pos + 1}, "this table has no name", ""}
	}
	if p := s.key(); p != nil {
		return p
	}
	if !bytes.HasPrefix(s.data[s.pos:], []byte("]]"[:brackets])) {
		return &problem{span{start, s.pos}, "this table header is not closed", "end it with " + "]]"[:brackets]}
	}
	s.pos += brackets
	whole := span{start, s.pos}
	t, fresh, p := s.descend(s.root, whole)
	if p != nil {
		return p
	}
	switch {
	case brackets == 2:
		e := &node{key: t.key, val: whole, depth: t.depth + 1, size: t.size}
		if e.depth > maxDepth {
			return tooDeep(whole)
		}
		t.elems = append(t.elems, e)
		t = e
	case !fresh && (t.header || t.assigned):
		s.twice = append(s.twice, twice{s.dotted(), true, t.val, whole})
		t = &node{depth: t.depth, size: t.size} // its keys are no repetition of their own
	default:
		t.val, t.header = whole, true
	}
	s.table = t
	return nil
}

// assignment reads key = value into the table that is open.
func (s *scanner) assignment() *problem { return s.assign(s.table) }

func (s *scanner) assign(t *node) *problem {
	start := s.pos
	if p := s.key(); p != nil {
		return p
	}
	name := span{start, s.parts[len(s.parts)-1].at.end}
	if s.peek() != '=' {
		hint := "a line is: key = value"
		if s.peek() == ':' {
			hint = "TOML writes = between key and value"
		}
		return &problem{name, fmt.Sprintf("expected = after %q, got %s", s.text(name), s.got()), hint}
	}
	n, fresh, p := s.descend(t, span{})
	if p != nil {
		return p
	}
	if !fresh {
		s.twice = append(s.twice, twice{s.dotted(), false, n.key, name})
	}
	n.assigned = true
	s.pos++
	s.skipSpace()
	return s.value(n)
}

// descend walks the parts of the key from t and makes the nodes that are
// missing. New tables on the way stand at the header, or at their own name
// if there is none. fresh tells whether the last node is new.
func (s *scanner) descend(t *node, header span) (n *node, fresh bool, p *problem) {
	for _, part := range s.parts {
		if len(t.elems) > 0 && t.keys == nil {
			t = t.elems[len(t.elems)-1] // [a.b] after [[a]] is in the last a
		}
		c := t.keys[part.name]
		if fresh = c == nil; fresh {
			if c, p = t.child(part); p != nil {
				return nil, false, p
			}
			if c.val = header; header == (span{}) {
				c.val = part.at
			}
		}
		t = c
	}
	return t, fresh, nil
}

// child adds a key to a table.
func (n *node) child(p part) (*node, *problem) {
	c := &node{key: p.at, depth: n.depth + 1, size: n.size + len(p.name) + 1}
	if c.size > maxPath {
		return nil, &problem{p.at, fmt.Sprintf("this key with its tables is longer than %d bytes", maxPath), ""}
	}
	if c.depth > maxDepth {
		return nil, tooDeep(p.at)
	}
	if n.keys == nil {
		n.keys = map[string]*node{}
	}
	n.keys[p.name] = c
	return c, nil
}

func tooDeep(at span) *problem {
	return &problem{at, fmt.Sprintf("nested more than %d levels deep", maxDepth), ""}
}

// key reads a dotted key into s.parts, and the blanks after it.
func (s *scanner) key() *problem {
	s.parts = s.parts[:0]
	for {
		s.skipSpace()
		start := s.pos
		name, p := s.keyPart()
		if p != nil {
			return p
		}
		s.parts = append(s.parts, part{name, span{start, s.pos}})
		s.skipSpace()
		if s.peek() != '.' {
			return nil
		}
		s.pos++
	}
}

func (s *scanner) keyPart() (string, *problem) {
	start := s.pos
	switch c := s.peek(); {
	case c == '\'':
		if p := s.literal(); p != nil {
			return "", p
		}
		return string(s.data[start+1 : s.pos-1]), nil
	case c == '"':
		if p := s.basic(); p != nil {
			return "", p
		}
		name, ok := unescape(string(s.data[start+1 : s.pos-1]))
		if !ok {
			return "", &problem{span{start, s.pos}, "this key has an invalid escape", `a backslash is written \\`}
		}
		return name, nil
	}
	for s.pos < len(s.data) && isBareKey(s.data[s.pos]) {
		s.pos++
	}
	if s.pos == start {
		return "", &problem{s.here(), "expected a key, got " + s.got(), "a key is letters, digits, - and _, or stands in quotes"}
	}
	return string(s.data[start:s.pos]), nil
}

func isBareKey(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// unescape resolves the escapes of a basic string.
func unescape(s string) (string, bool) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 == len(s) {
			return b.String() + s, i < 0
		}
		b.WriteString(s[:i])
		c := s[i+1]
		s = s[i+2:]
		if digits := strings.IndexByte("..x.u...U", c); digits > 0 && c != '.' {
			if len(s) < digits {
				return "", false
			}
			r, err := strconv.ParseUint(s[:digits], 16, 32)
			if err != nil || !utf8.ValidRune(rune(r)) {
				return "", false
			}
			b.WriteRune(rune(r))
			s = s[digits:]
			continue
		}
		i = strings.IndexByte(`btnfre"\`, c)
		if i < 0 {
			return "", false
		}
		b.WriteByte("\b\t\n\f\r\x1b\"\\"[i])
	}
}

// endOfLine expects nothing but a comment.
func (s *scanner) endOfLine() *problem {
	s.skipSpace()
	switch c := s.peek(); {
	case c == '\n', c == '\r', c == '#', s.pos >= len(s.data):
		return nil
	}
	start := s.pos
	s.skipComment()
	rest := span{start, start + len(bytes.TrimRight(s.data[start:s.pos], " \t\r"))}
	hint := "one key = value, or one [table], stands on a line"
	if n := len(s.bare); n > 0 && s.bare[n-1].end <= start && !bytes.ContainsRune(s.data[s.bare[n-1].end:start], '\n') {
		hint = "a string stands in quotes"
	}
	return &problem{rest, "unexpected text at the end of the line", hint}
}

func (s *scanner) skipSpace() {
	for s.pos < len(s.data) && (s.data[s.pos] == ' ' || s.data[s.pos] == '\t') {
		s.pos++
	}
}

// skipBlank skips blanks, ends of lines and comments.
func (s *scanner) skipBlank() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		case '#':
			s.skipComment()
		default:
			return
		}
	}
}

// skipComment goes to the end of the line.
func (s *scanner) skipComment() {
	for s.pos < len(s.data) && s.data[s.pos] != '\n' {
		s.pos++
	}
}

// peek is the next byte, or 0 at the end: there is no 0 in the data.
func (s *scanner) peek() byte {
	if s.pos >= len(s.data) {
		return 0
	}
	return s.data[s.pos]
}

// here is the next character; at the end the last one.
func (s *scanner) here() span {
	if s.pos >= len(s.data) {
		return span{max(0, s.pos-1), s.pos}
	}
	_, w := utf8.DecodeRune(s.data[s.pos:])
	return span{s.pos, s.pos + w}
}

// got names the next character for a message.
func (s *scanner) got() string {
	switch s.peek() {
	case 0:
		return "the end of the file"
	case '\n', '\r':
		return "the end of the line"
	}
	return strconv.Quote(s.text(s.here()))
}

func (s *scanner) text(at span) string { return string(s.data[at.start:at.end]) }

// dotted writes the key that was read last.
func (s *scanner) dotted() string {
	names := make([]string, len(s.parts))
	for i, p := range s.parts {
		names[i] = p.name
	}
	return strings.Join(names, ".")
}

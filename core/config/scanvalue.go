package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// value reads the value of n.
func (s *scanner) value(n *node) *problem {
	start := s.pos
	var p *problem
	switch s.peek() {
	case '"':
		p = s.multiline(`"""`, s.basic)
	case '\'':
		p = s.multiline(`'''`, s.literal)
	case '[':
		p = s.array(n)
	case '{':
		p = s.inline(n)
	case 0, '\n', '\r', '#', ',', ']', '}':
		if n.key == (span{}) {
			return &problem{s.here(), "an element is missing here", ""}
		}
		return &problem{n.key, "this key has no value", ""}
	default:
		p = s.bareValue()
	}
	n.val = span{start, s.pos}
	return p
}

// basic reads "..." on one line. Whether its escapes exist is the parser's to say.
func (s *scanner) basic() *problem {
	start := s.pos
	for s.pos++; s.pos < len(s.data) && s.data[s.pos] != '\n'; s.pos++ {
		switch s.data[s.pos] {
		case '\\':
			if s.pos+1 < len(s.data) && s.data[s.pos+1] != '\n' {
				s.pos++
			}
		case '"':
			s.pos++
			return nil
		}
	}
	return s.unclosed(start, `"`)
}

// literal reads '...' on one line.
func (s *scanner) literal() *problem {
	start := s.pos
	for s.pos++; s.pos < len(s.data) && s.data[s.pos] != '\n'; s.pos++ {
		if s.data[s.pos] == '\'' {
			s.pos++
			return nil
		}
	}
	return s.unclosed(start, "'")
}

func (s *scanner) unclosed(start int, quote string) *problem {
	end := start + len(bytes.TrimRight(s.data[start:s.pos], " \t\r"))
	return &problem{span{start, end}, "this string is not closed on its line", "end it with " + quote}
}

// multiline reads a string in three quotes, or leaves it to the reader of
// strings on one line. Up to two quotes can stand before the closing three.
func (s *scanner) multiline(quotes string, oneLine func() *problem) *problem {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(quotes)) {
		return oneLine()
	}
	start := s.pos
	run := 0
	for s.pos += 3; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == quotes[0]:
			run++
			continue
		case run >= 3:
			return s.closeMultiline(start, run)
		case c == '\\' && quotes[0] == '"':
			s.pos++
		}
		run = 0
	}
	s.pos = len(s.data)
	if run >= 3 {
		return s.closeMultiline(start, run)
	}
	return &problem{span{start, start + 3}, "this string is not closed", "end it with " + quotes}
}

func (s *scanner) closeMultiline(start, run int) *problem {
	if run > 5 {
		return &problem{span{s.pos - run, s.pos}, "too many quotes at the end of this string", ""}
	}
	return nil
}

// array reads [ ... ]; ends of lines and comments can stand anywhere in it.
func (s *scanner) array(n *node) *problem {
	open := span{s.pos, s.pos + 1}
	n.elems = []*node{} // an array, even if it is empty
	for s.pos++; ; s.pos++ {
		s.skipBlank()
		if s.peek() == ']' {
			break
		}
		if s.pos >= len(s.data) {
			return &problem{open, "this array is not closed", "end it with ]"}
		}
		e := &node{depth: n.depth + 1, size: n.size}
		if e.depth > maxDepth {
			return tooDeep(s.here())
		}
		n.elems = append(n.elems, e)
		if p := s.value(e); p != nil {
			return p
		}
		s.skipBlank()
		if s.peek() == ']' {
			break
		}
		if p := s.comma(open, "array", "]"); p != nil {
			return p
		}
	}
	s.pos++
	return nil
}

// inline reads { ... }. TOML 1.1 allows ends of lines, comments and a last
// comma in it.
func (s *scanner) inline(n *node) *problem {
	open := span{s.pos, s.pos + 1}
	if n.keys == nil {
		n.keys = map[string]*node{}
	}
	for s.pos++; ; s.pos++ {
		s.skipBlank()
		if s.peek() == '}' {
			break
		}
		if s.pos >= len(s.data) {
			return &problem{open, "this inline table is not closed", "end it with }"}
		}
		if p := s.assign(n); p != nil {
			return p
		}
		s.skipBlank()
		if s.peek() == '}' {
			break
		}
		if p := s.comma(open, "inline table", "}"); p != nil {
			return p
		}
	}
	s.pos++
	return nil
}

// comma expects the comma after an element.
func (s *scanner) comma(open span, what, end string) *problem {
	switch {
	case s.peek() == ',':
		return nil
	case s.pos >= len(s.data):
		return &problem{open, fmt.Sprintf("this %s is not closed", what), "end it with " + end}
	}
	return &problem{s.here(), fmt.Sprintf("expected a comma or %s in this %s, got %s", end, what, s.got()), ""}
}

var (
	dateChars = []byte("0123456789-:Tt .Zz+")
	dateStart = regexp.MustCompile(`^[0-9]+[-:]`)
	digits    = regexp.MustCompile(`^[-+]?[0-9_]+$`)
	word      = regexp.MustCompile(`^(true|false|inf|nan|[-+0-9].*)$`)
)

// bareValue reads a number, a boolean or a date. Its form is the parser's to
// judge, as long as it could be one; people forget quotes, and are told here.
func (s *scanner) bareValue() *problem {
	start := s.pos
	end := bytes.IndexAny(s.data[start:], ",]}# \t\r\n")
	if end < 0 {
		end = len(s.data) - start
	}
	end += start
	if dateStart.Match(s.data[start:end]) {
		// A blank can stand between date and time.
		for end < len(s.data) && bytes.IndexByte(dateChars, s.data[end]) >= 0 {
			end++
		}
		end = start + len(bytes.TrimRight(s.data[start:end], " "))
	}
	s.pos = end
	at := span{start, end}
	if !word.Match(s.data[start:end]) {
		return s.notAValue(at)
	}
	s.bare = append(s.bare, at)
	return nil
}

// notAValue is what a string without quotes gets. The hint repeats it unless
// it may be a secret.
func (s *scanner) notAValue(at span) *problem {
	const msg = "this is not a TOML value"
	start := bytes.LastIndexByte(s.data[:at.start], '\n') + 1
	line := s.text(span{start, at.end})
	text := strings.Trim(s.text(at), "“”„‟‘’«»\"'`")
	if len(line) > maxSource || redact(line) != line || strings.ContainsAny(text, "\"\\") {
		return &problem{at, msg, `a string stands in straight quotes: key = "..."`}
	}
	if digits.MatchString(text) {
		return &problem{at, "this number is malformed or too large", ""}
	}
	return &problem{at, msg, fmt.Sprintf(`a string stands in straight quotes: "%s"`, text)}
}

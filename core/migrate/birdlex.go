package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxTokens bounds what defines that name each other can grow to.
const maxTokens = 1 << 20

// birdTokens splits the text, and puts in what is defined.
func birdTokens(name, text string) ([]token, error) {
	l := &birdLexer{text: text, line: 1}
	var all []token
	defined := map[string][]token{}
	for {
		t, ok := l.next()
		if !ok {
			break
		}
		if value, known := defined[t.text]; known && t.mark == isWord {
			for _, v := range value {
				v.line = t.line
				all = append(all, v)
			}
		} else {
			all = append(all, t)
		}
		if len(all) > maxTokens {
			return nil, fmt.Errorf("%s: %w", name, errors.New("it is too large when all defines are put in"))
		}
		if t.mark != isEnd {
			continue
		}
		// The statement that ends here may be: define NAME = WORDS
		begin := len(all) - 1
		for begin > 0 && all[begin-1].mark == isWord {
			begin--
		}
		if s := all[begin : len(all)-1]; len(s) > 3 && s[0].text == "define" && s[2].text == "=" {
			defined[s[1].text] = slices.Clone(s[3:])
		}
	}
	return all, nil
}

type birdLexer struct {
	text string
	at   int
	line int
}

// next gives a token; comments are # to the end of the line, and /* to */.
func (l *birdLexer) next() (token, bool) {
	for l.at < len(l.text) {
		rest := l.text[l.at:]
		switch c := rest[0]; {
		case c == '\n':
			l.line++
			l.at++
		case c == ' ' || c == '\t' || c == '\r':
			l.at++
		case c == '#':
			l.skip(strings.IndexByte(rest, '\n'))
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			l.line += strings.Count(rest[:max(end, 0)], "\n")
			if end >= 0 {
				end += len("*/")
			}
			l.skip(end)
		case c == '"':
			end := strings.IndexAny(rest[1:], "\"\n")
			if end < 0 {
				end = len(rest) - 1
			}
			t := token{rest[1 : 1+end], isWord, l.line}
			l.at = min(l.at+end+2, len(l.text))
			if 1+end < len(rest) && rest[1+end] == '\n' {
				l.line++
			}
			return t, true
		case c == '{':
			return l.mark(isOpen), true
		case c == '}':
			return l.mark(isClose), true
		case c == ';':
			return l.mark(isEnd), true
		case strings.IndexByte("()[],=~!<>&|", c) >= 0:
			return l.mark(isWord), true
		default:
			return l.word(rest), true
		}
	}
	return token{}, false
}

// skip goes on n bytes, or to the end of the text.
func (l *birdLexer) skip(n int) {
	if n < 0 {
		n = len(l.text) - l.at
	}
	l.at += n
}

func (l *birdLexer) mark(m mark) token {
	t := token{l.text[l.at : l.at+1], m, l.line}
	l.at++
	return t
}

// word reads up to a blank or a mark. The braces of a prefix pattern, as in
// 192.0.2.0/24{25,32}, are part of it.
func (l *birdLexer) word(rest string) token {
	end := strings.IndexAny(rest, " \t\r\n\"#{};()[],=~!<>&|")
	if end < 0 {
		end = len(rest)
	}
	if end < len(rest) && rest[end] == '{' && strings.Contains(rest[:end], "/") {
		if shut := strings.IndexAny(rest[end:], "}\n"); shut > 0 && rest[end+shut] == '}' {
			end += shut + 1
		}
	}
	l.at += end
	return token{rest[:end], isWord, l.line}
}

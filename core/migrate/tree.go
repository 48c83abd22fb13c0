package migrate

import (
	"fmt"
	"strings"
)

// node is one statement of a language with blocks in braces.
type node struct {
	words []string // quoted ones without their quotes
	line  int      // from 1
	body  []node   // what stands in its braces
}

// is tells whether the statement begins so.
func (n node) is(words ...string) bool {
	if len(n.words) < len(words) {
		return false
	}
	for i, w := range words {
		if n.words[i] != w {
			return false
		}
	}
	return true
}

// word is the i-th word, or nothing.
func (n node) word(i int) string {
	if i < len(n.words) {
		return n.words[i]
	}
	return ""
}

// rest are the words from i on.
func (n node) rest(i int) []string { return n.words[min(i, len(n.words)):] }

func (n node) String() string { return strings.Join(n.words, " ") }

// maxDepth is how deep blocks may stand in one another.
const maxDepth = 64

// parser makes a tree of tokens.
type parser struct {
	name   string
	tokens []token
	at     int
}

// token is a word, or one of the marks below with its text.
type token struct {
	text string
	mark mark
	line int
}

type mark int

const (
	isWord  mark = iota
	isOpen       // {
	isClose      // }
	isEnd        // of a statement
)

func parseTree(name string, tokens []token) ([]node, error) {
	p := &parser{name: name, tokens: tokens}
	nodes, err := p.block(0)
	if err == nil && p.at < len(p.tokens) {
		err = p.fail("a } without its {")
	}
	return nodes, err
}

func (p *parser) fail(what string) error {
	line := 1
	if len(p.tokens) > 0 {
		line = p.tokens[min(p.at, len(p.tokens)-1)].line
	}
	return fmt.Errorf("%s:%d: %s", p.name, line, what)
}

// block reads statements up to the } that ends it, or the end of the text.
func (p *parser) block(depth int) ([]node, error) {
	if depth > maxDepth {
		return nil, p.fail(fmt.Sprintf("blocks stand more than %d deep", maxDepth))
	}
	var nodes []node
	var open node
	end := func() {
		if len(open.words) > 0 {
			nodes = append(nodes, open)
		}
		open = node{}
	}
	for ; p.at < len(p.tokens); p.at++ {
		switch t := p.tokens[p.at]; t.mark {
		case isWord:
			if len(open.words) == 0 {
				open.line = t.line
			}
			open.words = append(open.words, t.text)
		case isEnd:
			end()
		case isClose:
			end()
			return nodes, nil
		case isOpen:
			p.at++
			body, err := p.block(depth + 1)
			if err != nil {
				return nil, err
			}
			if p.at >= len(p.tokens) {
				return nil, fmt.Errorf("%s:%d: a { without its }", p.name, t.line)
			}
			if len(open.words) == 0 && len(nodes) > 0 && nodes[len(nodes)-1].body == nil {
				nodes[len(nodes)-1].body = body // its { stands on the next line
				continue
			}
			open.body = body
			end()
		}
	}
	end()
	return nodes, nil
}

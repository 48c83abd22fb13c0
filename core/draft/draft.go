// Package draft writes configs that a person reads and finishes: TOML with
// comments, from values that may come from anywhere.
package draft

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// Doc is a config on its way to TOML. Each string of a comment is a paragraph;
// one that starts with a blank is a line to be left as it is.
type Doc struct {
	Head   []string // comments above everything
	Tables []*Table
	Tail   []string // comments below everything
}

// Table is one [NAME].
type Table struct {
	Name  string   // "vip.web"
	Notes []string // comments above it
	// Off makes a comment of the whole table, for an example to be switched on.
	Off  bool
	keys []key
}

type key struct {
	name  string
	value any
	note  string
	off   bool
}

// Add gives the document another table.
func (d *Doc) Add(name string, notes ...string) *Table {
	t := &Table{Name: name, Notes: notes}
	d.Tables = append(d.Tables, t)
	return t
}

// Set writes a key: a string, a number, a bool or a []string. The note, if
// there is one, stands behind it.
func (t *Table) Set(name string, value any, note ...string) *Table {
	t.keys = append(t.keys, key{name: name, value: value, note: strings.Join(note, "; ")})
	return t
}

// Example writes a key as a comment.
func (t *Table) Example(name string, value any, note ...string) *Table {
	t.Set(name, value, note...)
	t.keys[len(t.keys)-1].off = true
	return t
}

// Bytes is the document as TOML.
func (d *Doc) Bytes() []byte {
	var b bytes.Buffer
	comment(&b, d.Head)
	for _, t := range d.Tables {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		t.write(&b)
	}
	if len(d.Tail) > 0 {
		b.WriteByte('\n')
		comment(&b, d.Tail)
	}
	return b.Bytes()
}

func (t *Table) write(b *bytes.Buffer) {
	comment(b, t.Notes)
	off := ""
	if t.Off {
		off = "#"
	}
	fmt.Fprintf(b, "%s[%s]\n", off, t.Name)
	for _, k := range t.keys {
		mark := off
		if k.off {
			mark = "#"
		}
		fmt.Fprintf(b, "%s%s = %s", mark, k.name, literal(k.value))
		if k.note != "" {
			b.WriteString("  # " + plain(k.note))
		}
		b.WriteByte('\n')
	}
}

// literal is a value as TOML has it.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case []string:
		all := make([]string, len(v))
		for i, s := range v {
			all[i] = quote(s)
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// quote writes a basic string. JSON's escapes are a part of TOML's; only DEL
// has to be escaped in TOML and not in JSON.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string into memory
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}

const width = 78 // of a line of comment

func comment(b *bytes.Buffer, paragraphs []string) {
	for _, p := range paragraphs {
		for _, line := range wrap(p) {
			b.WriteString(strings.TrimRight("# "+line, " ") + "\n")
		}
	}
}

// wrap breaks a paragraph into lines.
func wrap(p string) []string {
	p = plain(p)
	if p == "" || unicode.IsSpace(rune(p[0])) {
		return []string{p}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(p) {
		if line != "" && len(line)+1+len(word) > width-2 {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// plain keeps foreign text within its line: TOML allows no control character
// in a comment but the tab, and nothing that is no UTF-8.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

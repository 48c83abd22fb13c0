package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Severity tells what stops a config from what deserves a look.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Pos is a place in a file. Line and Col count from 1, Col in characters;
// Line 0 means the file as a whole.
type Pos struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
}

// String writes FILE:LINE:COL, or FILE alone where there is no line.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Finding is one complaint about the config.
type Finding struct {
	Pos
	Len      int      `json:"len"` // how many characters it is about, from Col on
	Severity Severity `json:"severity"`
	Msg      string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`   // what to do about it
	Source   string   `json:"source,omitempty"` // the line it stands on, without secrets
}

// String draws the finding as compilers do: place and message, the line with a
// caret under the thing, and the hint.
func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.Pos.String() + ": ")
	}
	if f.Severity == SeverityWarning {
		b.WriteString("warning: ")
	}
	b.WriteString(f.Msg)
	if f.Line > 0 && f.Source != "" {
		fmt.Fprintf(&b, "\n%4d | %s", f.Line, f.Source)
		if c := f.carets(); c != "" {
			b.WriteString("\n     | " + c)
		}
	}
	if f.Hint != "" {
		b.WriteString("\n  hint: " + f.Hint)
	}
	return b.String()
}

// carets is the line below the source line. It is empty if the place is beyond
// the part of the line that is shown.
func (f Finding) carets() string {
	source := []rune(f.Source)
	if f.Col < 1 || f.Col > len(source)+1 {
		return ""
	}
	var b strings.Builder
	for _, r := range source[:f.Col-1] {
		if r == '\t' {
			b.WriteRune('\t') // the terminal expands both tabs alike
			continue
		}
		b.WriteString(strings.Repeat(" ", cells(r)))
	}
	width := 0
	for _, r := range source[f.Col-1 : min(f.Col-1+f.Len, len(source))] {
		width += cells(r)
	}
	return b.String() + strings.Repeat("^", max(1, width))
}

// cells is how many columns of a terminal r takes: none for marks that combine
// with the letter before, two for wide East Asian characters and emoji
// (Unicode TR 11, the blocks that are wide throughout), else one.
func cells(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60,
		r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1f64f, r >= 0x1f900 && r <= 0x1f9ff,
		r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// Invalid is the error of a config with mistakes. It holds them all, and the
// warnings, sorted by file, line and column.
type Invalid struct {
	Findings []Finding
	// Omitted counts the findings past the first maxFindings.
	Omitted int
}

// maxShown is how many findings Error draws: one slip in a generated file can
// be thousands of them, and the first screens say it all.
const maxShown = 100

// Error draws the findings, one below the other.
func (e *Invalid) Error() string {
	shown := e.Findings[:min(len(e.Findings), maxShown)]
	lines := make([]string, 0, len(shown)+1)
	for _, f := range shown {
		lines = append(lines, f.String())
	}
	if more := len(e.Findings) - len(shown) + e.Omitted; more > 0 {
		lines = append(lines, fmt.Sprintf("... and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// maxFindings bounds what a hostile or broken file can make us keep.
const maxFindings = 1000

// report collects the findings of one Load.
type report struct {
	findings []Finding
	omitted  int
	failed   bool // at least one of them is an error
	seen     map[Finding]bool
}

// full tells that more findings would only be counted.
func (r *report) full() bool { return len(r.findings) >= maxFindings }

func (r *report) fail(at place, hint, format string, args ...any) {
	r.failed = true
	r.add(SeverityError, at, hint, fmt.Sprintf(format, args...))
}

func (r *report) warn(at place, hint, format string, args ...any) {
	r.add(SeverityWarning, at, hint, fmt.Sprintf(format, args...))
}

func (r *report) add(sev Severity, at place, hint, msg string) {
	if r.full() {
		r.omitted++
		return
	}
	f := Finding{Severity: sev, Msg: msg, Hint: hint}
	f.Pos, f.Len, f.Source = at.resolve()
	if r.seen[f] {
		return // a default for all peers is checked with each of them
	}
	if r.seen == nil {
		r.seen = map[Finding]bool{}
	}
	r.seen[f] = true
	r.findings = append(r.findings, f)
}

// sorted gives the findings by file, line and column, and those of one place
// in the order in which they were found.
func (r *report) sorted() []Finding {
	slices.SortStableFunc(r.findings, byPos)
	return r.findings
}

func byPos(a, b Finding) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
}

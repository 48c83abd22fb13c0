package hostfile

import (
	"fmt"
	"strings"
)

const (
	margin = 3 // unchanged lines around a change, as diff -u has them
	// maxCells bounds the work of finding the longest common lines. Beyond it
	// the differing middle is shown as replaced as a whole.
	maxCells = 4 << 20
)

// Unified is the difference of two versions of a file, as diff -u writes it;
// empty when they are the same.
func Unified(name string, before, after []byte) string {
	a, b := lines(before), lines(after)
	ops := edit(a, b)
	var out strings.Builder
	for _, h := range hunks(ops) {
		if out.Len() == 0 {
			fmt.Fprintf(&out, "--- %s\n+++ %s\n", side(name, before), side(name, after))
		}
		h.write(&out, ops)
	}
	return out.String()
}

func side(name string, body []byte) string {
	if body == nil {
		return "/dev/null"
	}
	return name
}

// lines keeps each line's end, so that a missing last newline is a difference.
func lines(b []byte) []string {
	all := strings.SplitAfter(string(b), "\n")
	if all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all
}

// op is one line of an edit script: ' ', '-' or '+'.
type op struct {
	kind byte
	line string
}

func edit(a, b []string) []op {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var ops []op
	add := func(kind byte, lines []string) {
		for _, l := range lines {
			ops = append(ops, op{kind, l})
		}
	}
	add(' ', a[:head])
	ops = append(ops, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	add(' ', a[len(a)-tail:])
	return ops
}

// middle finds the longest common subsequence by dynamic programming.
func middle(a, b []string) []op {
	var ops []op
	if len(a)*len(b) > maxCells {
		for _, l := range a {
			ops = append(ops, op{'-', l})
		}
		for _, l := range b {
			ops = append(ops, op{'+', l})
		}
		return ops
	}
	longest := make([][]int32, len(a)+1)
	for i := range longest {
		longest[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			ops = append(ops, op{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && longest[i+1][j] >= longest[i][j+1]:
			ops = append(ops, op{'-', a[i]})
			i++
		default:
			ops = append(ops, op{'+', b[j]})
			j++
		}
	}
	return ops
}

// hunk is a run of ops with its context.
type hunk struct{ from, to int }

func hunks(ops []op) []hunk {
	var all []hunk
	for i, o := range ops {
		if o.kind == ' ' {
			continue
		}
		from, to := max(0, i-margin), min(len(ops), i+margin+1)
		if n := len(all); n > 0 && from <= all[n-1].to {
			all[n-1].to = to
		} else {
			all = append(all, hunk{from, to})
		}
	}
	return all
}

func (h hunk) write(out *strings.Builder, ops []op) {
	oldLine, newLine := 1, 1
	for _, o := range ops[:h.from] {
		if o.kind != '+' {
			oldLine++
		}
		if o.kind != '-' {
			newLine++
		}
	}
	oldCount, newCount := 0, 0
	for _, o := range ops[h.from:h.to] {
		if o.kind != '+' {
			oldCount++
		}
		if o.kind != '-' {
			newCount++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(oldLine, oldCount), span(newLine, newCount))
	for _, o := range ops[h.from:h.to] {
		out.WriteByte(o.kind)
		out.WriteString(o.line)
		if !strings.HasSuffix(o.line, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// span writes a range as diff -u does: an empty one names the line before it.
func span(line, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", line-1)
	case 1:
		return fmt.Sprint(line)
	}
	return fmt.Sprintf("%d,%d", line, count)
}

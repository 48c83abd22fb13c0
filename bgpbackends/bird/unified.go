package bird

import (
	"bytes"
	"fmt"
)

// context is how many lines are shown around a change.
const contextLines = 3

// hunk is a stretch of two files in which something differs: lines from a0 to
// a1 of the one, from b0 to b1 of the other, and the pairs that are equal.
type hunk struct{ edits []edit }

// edit is one line: of the old file (a), of the new one (b), or of both. The
// one that it is not of has -1.
type edit struct{ a, b int }

// hunks compares two files line by line. Ours are made in a fixed order, so
// that looking ahead for the next common line finds the small differences.
func hunks(a, z []string) []hunk {
	edits := compare(a, z)
	var all []hunk
	for i := 0; i < len(edits); {
		if edits[i].a >= 0 && edits[i].b >= 0 {
			i++
			continue
		}
		from, to := max(0, i-contextLines), i
		for same := 0; to < len(edits) && same <= 2*contextLines; to++ {
			if same++; edits[to].a < 0 || edits[to].b < 0 {
				same = 0
			}
		}
		for end := to; end > i; end-- { // back to the last change, and its context
			if edits[end-1].a < 0 || edits[end-1].b < 0 {
				to = min(len(edits), end+contextLines)
				break
			}
		}
		all = append(all, hunk{edits[from:to]})
		i = to
	}
	return all
}

func compare(a, z []string) []edit {
	where := map[string][]int{} // of the lines of z
	for j, l := range z {
		where[l] = append(where[l], j)
	}
	var edits []edit
	i, j := 0, 0
	for i < len(a) || j < len(z) {
		switch {
		case i < len(a) && j < len(z) && a[i] == z[j]:
			edits = append(edits, edit{i, j})
			i, j = i+1, j+1
		case i < len(a) && !comes(where[a[i]], j):
			edits = append(edits, edit{i, -1})
			i++
		default: // what comes later in z has something new before it
			edits = append(edits, edit{-1, j})
			j++
		}
	}
	return edits
}

// comes tells whether one of the line numbers is j or later.
func comes(at []int, j int) bool { return len(at) > 0 && at[len(at)-1] >= j }

func (h hunk) write(out *bytes.Buffer, a, z []string) {
	var from, to [2]int // first line and count, of the old file and the new one
	from[0], from[1] = -1, -1
	for _, e := range h.edits {
		for side, n := range []int{e.a, e.b} {
			if n >= 0 {
				if from[side] < 0 {
					from[side] = n
				}
				to[side]++
			}
		}
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", from[0]+1, to[0], from[1]+1, to[1])
	for _, e := range h.edits {
		switch {
		case e.a < 0:
			fmt.Fprintf(out, "+%s\n", z[e.b])
		case e.b < 0:
			fmt.Fprintf(out, "-%s\n", a[e.a])
		default:
			fmt.Fprintf(out, " %s\n", a[e.a])
		}
	}
}

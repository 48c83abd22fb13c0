package config

import "strings"

// suggest gives the known name that a mistyped one most likely means, or "".
func suggest(name string, known []string) string {
	best, distance := "", 1+max(1, min(3, len(name)/3))
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return k
		}
		if len(name) > 2 && strings.HasPrefix(k, strings.ToLower(name)) {
			best, distance = k, 0
		}
		if d := edits(strings.ToLower(name), k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// didYouMean is the hint for a mistyped name.
func didYouMean(name string, known []string) string {
	if s := suggest(name, known); s != "" {
		return `did you mean "` + s + `"?`
	}
	if len(known) == 0 {
		return ""
	}
	return "known: " + strings.Join(known, ", ")
}

// edits counts the letters to insert, delete, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func edits(a, b string) int {
	if len(a) > maxPath {
		return len(a)
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

package status

import (
	"slices"
	"strings"
)

// Merge visits each name of two lists once, with what it was and what it is; nil where it
// was not or is not there.
func Merge[T any](old, cur []T, name func(*T) string, visit func(old, cur *T)) {
	old, cur = byName(old, name), byName(cur, name)
	for len(old) > 0 || len(cur) > 0 {
		order := 0
		switch {
		case len(cur) == 0:
			order = -1
		case len(old) == 0:
			order = 1
		default:
			order = strings.Compare(name(&old[0]), name(&cur[0]))
		}
		var o, c *T
		if order <= 0 {
			o, old = &old[0], old[1:]
		}
		if order >= 0 {
			c, cur = &cur[0], cur[1:]
		}
		visit(o, c)
	}
}

// byName gives all in order, which most lists of a snapshot are in already.
func byName[T any](all []T, name func(*T) string) []T {
	for i := 1; i < len(all); i++ {
		if name(&all[i]) < name(&all[i-1]) {
			return slices.SortedStableFunc(slices.Values(all), func(a, b T) int { return strings.Compare(name(&a), name(&b)) })
		}
	}
	return all
}

// Package lazy puts off what a program need not do before it starts.
package lazy

import (
	"regexp"
	"sync"
)

// Regexp is an expression that is compiled when it is first used: a program
// with all backends in it would otherwise compile theirs at each start.
func Regexp(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// Package refusals tells as findings what a BGP backend would refuse to do.
package refusals

import (
	"errors"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// Code is that of all of them.
const Code plugins.Code = "speaker-refuses"

// Findings makes one of each error that is joined in err. What stands behind the
// first semicolon of an error is what to do about it.
func Findings(object string, err error) []plugins.Finding {
	if err == nil {
		return nil
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		var all []plugins.Finding
		for _, e := range several.Unwrap() {
			all = append(all, Findings(object, e)...)
		}
		return all
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, class := range []error{plugins.ErrForeign, plugins.ErrUnsupported, plugins.ErrUnavailable} {
		if errors.Is(err, class) {
			text = strings.TrimSuffix(text, ": "+class.Error())
		}
	}
	what, fix, ok := strings.Cut(text, "; ")
	if !ok {
		fix = "until then stentor apply does what else there is to do, and stentor status repeats this"
	}
	return []plugins.Finding{{Code: Code, Severity: plugins.SeverityProblem, Object: object, Message: what, Hint: fix}}
}

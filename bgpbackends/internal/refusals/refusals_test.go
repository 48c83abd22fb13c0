package refusals

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

func TestFindings(t *testing.T) {
	one := fmt.Errorf("peer a: there is one already; remove it\n  there; or here: %w", plugins.ErrForeign)
	two := fmt.Errorf("it can't be done: %w", plugins.ErrUnsupported)
	wrapped := fmt.Errorf("it is refused: %w: %w", errors.New("why"), plugins.ErrUnsupported)
	var got []string
	for _, f := range Findings("frr", errors.Join(nil, errors.Join(one, two), wrapped)) {
		got = append(got, fmt.Sprintf("%s %s %s: %s | %s", f.Code, f.Severity, f.Object, f.Message, f.Hint))
	}
	const none = "until then stentor apply does what else there is to do, and stentor status repeats this"
	want := []string{
		"speaker-refuses problem frr: peer a: there is one already | remove it there; or here",
		"speaker-refuses problem frr: it can't be done | " + none,
		"speaker-refuses problem frr: it is refused: why | " + none,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := Findings("frr", nil); got != nil {
		t.Errorf("no error: %v", got)
	}
}

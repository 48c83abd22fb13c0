package health

import (
	"context"
	"strings"
	"testing"
	"time"
)

// askOnce prepares a probe and asks once.
func askOnce(t *testing.T, p asked, timeout time.Duration) result {
	t.Helper()
	question, err := p.prepare(&shared{processes: newProcesses("/proc")})
	if err != nil {
		return notRun(err.Error())
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return question(ctx)
}

// expect compares an answer with an outcome and a part of its output: "-refused".
func expect(t *testing.T, p asked, timeout time.Duration, want string) {
	t.Helper()
	got := askOnce(t, p, timeout)
	if string(got.outcome) != want[:1] || !strings.Contains(got.output, want[1:]) {
		t.Errorf("%s %s answers %c %q, want %c with %q", p.Kind(), p.Target(), got.outcome, got.output, want[0], want[1:])
	}
}

// patience is for what answers; brief is for what is known not to, or not to its
// end.
const (
	patience = 10 * time.Second
	brief    = 2 * time.Second
)

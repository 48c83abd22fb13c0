package probe

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script answers each request as the test says.
type script func(n int) (after time.Duration, by string, err error)

type actor struct {
	script script
	asked  chan int
}

func play(s script) *actor {
	a := &actor{script: s, asked: make(chan int, 1)}
	a.asked <- 0
	return a
}

func (a *actor) Ask(ctx context.Context) (string, error) {
	n := <-a.asked
	a.asked <- n + 1
	after, by, err := a.script(n)
	select {
	case <-ctx.Done():
		return "", ErrNoAnswer
	case <-time.After(after):
		return by, err
	}
}

func (*actor) Close() error { return nil }

const ms = time.Millisecond

// line is a Sample in numbers of milliseconds since the start.
type line struct {
	Sent, RTT int64
	By        string
	Err       string
}

func collect(t *testing.T, ctx context.Context, o Options, s script, during func(n int)) (lines []line, extra Extra) {
	t.Helper()
	start := time.Now()
	extra = Run(ctx, play(s), o, func(s Sample) {
		l := line{Sent: s.Sent.Sub(start).Milliseconds(), RTT: s.RTT.Milliseconds(), By: s.By}
		if s.Err != nil {
			l.Err = s.Err.Error()
		}
		if during != nil {
			during(len(lines))
		}
		lines = append(lines, l)
	})
	return lines, extra
}

// TestRun: answers out of order, none, and one that comes too late.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, extra := collect(t, t.Context(), Options{Interval: 10 * ms, Timeout: 100 * ms, Count: 6}, func(n int) (time.Duration, string, error) {
			return []time.Duration{1 * ms, 50 * ms, 2 * ms, time.Hour, 150 * ms, 1 * ms}[n], "a", []error{5: errors.New("no route")}[n]
		}, nil)
		want := []line{
			{0, 1, "a", ""}, {10, 50, "a", ""}, {20, 2, "a", ""}, {30, 0, "", "no answer in time"}, {40, 0, "", "no answer in time"}, {50, 1, "a", "no route"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if extra != (Extra{}) {
			t.Errorf("%+v", extra)
		}
	})
}

// TestRunCountsLate: an answer after the timeout is told apart from none, if
// it comes while others are still asked.
func TestRunCountsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, extra := collect(t, t.Context(), Options{Interval: 10 * ms, Timeout: 20 * ms, Count: 20}, func(n int) (time.Duration, string, error) {
			if n == 3 {
				return 50 * ms, "a", nil
			}
			return ms, "a", nil
		}, nil)
		if len(got) != 20 || got[3].Err == "" || extra.Late != 1 {
			t.Errorf("%d late; %v", extra.Late, got)
		}
	})
}

// TestRunKeepsPace: what a reader or an answer takes moves no request, and
// those that could not be sent are left out.
func TestRunKeepsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Interval: 10 * ms, Timeout: 100 * ms, For: 3005 * ms}
		got, _ := collect(t, t.Context(), o, func(int) (time.Duration, string, error) { return 3 * ms, "", nil }, func(n int) {
			time.Sleep(7 * ms) // the reader is slow
		})
		for i, l := range got {
			if l.Sent != int64(10*i) {
				t.Fatalf("request %d was sent at %d ms", i, l.Sent)
			}
		}
		if len(got) != 301 {
			t.Errorf("%d requests", len(got))
		}
	})
}

// TestSendLeavesOut: after a pause, as of a laptop's lid, it goes on at whole
// intervals.
func TestSendLeavesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []int64
		skipped := send(t.Context(), Options{Interval: 10 * ms, Count: 5}, func() {
			at = append(at, time.Since(start).Milliseconds())
			if len(at) == 2 {
				time.Sleep(34 * ms)
			}
		})
		if diff := cmp.Diff([]int64{0, 10, 44, 50, 60}, at); diff != "" || skipped != 2 {
			t.Errorf("%d skipped, want 2\n%s", skipped, diff)
		}
	})
}

// TestRunEnds at once when it is interrupted, but for what is still on its way.
func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 25*ms)
		defer cancel()
		began := time.Now()
		got, _ := collect(t, ctx, Options{Interval: 10 * ms, Timeout: 100 * ms}, func(int) (time.Duration, string, error) { return time.Hour, "", nil }, nil)
		if took := time.Since(began); len(got) != 3 || took != 120*ms {
			t.Errorf("%d requests, over after %s", len(got), took)
		}
	})
}

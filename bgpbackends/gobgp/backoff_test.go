package gobgp

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	now := time.Unix(0, 0)
	var b backoff
	// lost gives the delay after a session of that length.
	lost := func(lasted time.Duration) time.Duration {
		b.up(now)
		now = now.Add(lasted)
		return b.next(now)
	}
	if d := lost(time.Second); d != 0 {
		t.Errorf("first loss: %s", d)
	}
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
		want *= time.Second
		if d := lost(time.Second); d < want*3/4 || d >= want*5/4 {
			t.Errorf("early loss %d: %s, want %s within a quarter", i+2, d, want)
		}
	}
	if d := lost(stable); d != 0 {
		t.Errorf("loss after a good session: %s", d)
	}
	if d := lost(time.Second); d == 0 {
		t.Error("the next early loss did not wait")
	}
}

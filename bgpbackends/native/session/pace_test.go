package session

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// TestPace: sessions that began at different times come to send together, and
// none outside of its own interval (RFC 4271 §10).
func TestPace(t *testing.T) {
	const sessions, interval, rounds = 4, 3 * time.Second, 400
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			p := &Pace{}
			began := time.Now()
			var due [sessions]time.Duration
			for i := range due {
				due[i] = rand.N(10 * time.Second)
			}
			moments := map[time.Duration]bool{} // of the last rounds
			for round := range rounds {
				first := 0
				for i := range due {
					if due[i] < due[first] {
						first = i
					}
				}
				time.Sleep(due[first] - time.Since(began)) // until then
				if round >= rounds*3/4 {
					moments[due[first]] = true
				}
				in := p.next(interval)
				if in < interval*3/4 || in > interval {
					t.Fatalf("the next KEEPALIVE after %s", in)
				}
				due[first] += in
			}
			if n := len(moments); n > rounds/4*2/3 {
				t.Errorf("%d KEEPALIVEs at %d moments", rounds/4, n)
			}
			if len(p.moments) > sessions {
				t.Errorf("%d moments are kept", len(p.moments))
			}
		})
	}
}

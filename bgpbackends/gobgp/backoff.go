package gobgp

import (
	"math/rand/v2"
	"time"
)

// backoff spaces out the attempts to bring a session back.
type backoff struct {
	since  time.Time // of the last session
	lost   int       // sessions in a row that ended early
	failed bool      // a connection since then did not become a session
}

const (
	maxDelay = 30 * time.Second
	// stable is how long a session must last to count as a good one.
	stable = 30 * time.Second
)

// up notes that a session was established.
func (b *backoff) up(now time.Time) { b.since, b.failed = now, false }

// next tells how long to wait after a loss: not at all after a good session or
// a first loss, then 1 s, 2 s, 4 s up to maxDelay, each within a quarter more
// or less so that peers of one host do not move in step.
func (b *backoff) next(now time.Time) time.Duration {
	if now.Sub(b.since) >= stable {
		b.lost = 0
	}
	b.lost++
	if b.lost == 1 {
		return 0
	}
	d := min(maxDelay, time.Second<<min(b.lost-2, 10))
	return d*3/4 + rand.N(d/2)
}

package session

import (
	"sync/atomic"
	"time"
)

// silence is how long a peer has said nothing. One goroutine may end it while
// another does, or asks.
type silence struct {
	start time.Time
	ended atomic.Int64 // when the last one ended, in nanoseconds from start
}

// end ends it now, or so long ago if it has not ended since.
func (s *silence) end(ago time.Duration) {
	at := int64(time.Since(s.start) - ago)
	for was := s.ended.Load(); at > was && !s.ended.CompareAndSwap(was, at); was = s.ended.Load() {
	}
}

func (s *silence) length() time.Duration {
	return time.Since(s.start) - time.Duration(s.ended.Load())
}

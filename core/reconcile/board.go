package reconcile

import (
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stentor-net/stentor/core/status"
)

// board holds the newest snapshot, and tells readers when there is a newer one.
type board struct {
	newest    atomic.Pointer[status.Status]
	started   time.Time
	published func(old, cur *status.Status) // nil: nobody wants to know

	mu   sync.Mutex
	news chan struct{} // closed by the next snapshot
}

func newBoard(published func(old, cur *status.Status)) *board {
	return &board{started: time.Now(), published: published, news: make(chan struct{})}
}

func (b *board) now() *status.Status { return b.newest.Load() }

func (b *board) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.news
}

// publish makes s the newest snapshot unless it says what the last one said.
// Whatever is in the same state as before keeps the time since when it is.
func (b *board) publish(s *status.Status, now time.Time) {
	s.Since = b.started
	last := b.now()
	if last != nil {
		inherit(s, last)
	}
	for i := range s.VIPs {
		setOnce(&s.VIPs[i].Since, now)
	}
	for i := range s.Problems {
		setOnce(&s.Problems[i].Since, now)
	}
	if reflect.DeepEqual(s, last) {
		return
	}
	b.newest.Store(s)
	b.mu.Lock()
	close(b.news)
	b.news = make(chan struct{})
	b.mu.Unlock()
	if b.published != nil {
		b.published(last, s)
	}
}

func inherit(s, last *status.Status) {
	vips := make(map[string]*status.VIP, len(last.VIPs))
	for i := range last.VIPs {
		vips[last.VIPs[i].Name] = &last.VIPs[i]
	}
	for i := range s.VIPs {
		if old := vips[s.VIPs[i].Name]; old != nil && old.State == s.VIPs[i].State && old.Address == s.VIPs[i].Address {
			s.VIPs[i].Since = old.Since
		}
	}
	since := make(map[[2]string]time.Time, len(last.Problems))
	for _, p := range last.Problems {
		since[[2]string{p.Object, p.Message}] = p.Since
	}
	for i, p := range s.Problems {
		s.Problems[i].Since = since[[2]string{p.Object, p.Message}]
	}
}

func setOnce(t *time.Time, now time.Time) {
	if t.IsZero() {
		*t = now
	}
}

package gobgp

import (
	"context"
	"sync"

	"github.com/stentor-net/stentor/plugins"
)

// hints spreads Changes to all who watch.
type hints struct {
	mu       sync.Mutex
	watchers map[*queue[plugins.Change]]struct{}
}

func newHints() *hints { return &hints{watchers: map[*queue[plugins.Change]]struct{}{}} }

func (h *hints) put(c plugins.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for q := range h.watchers {
		q.put(c)
	}
}

// Watch reports each session that comes up, is lost, or fails to come up.
func (b *Backend) Watch(ctx context.Context, changed func(plugins.Change)) error {
	q := newQueue[plugins.Change]()
	b.hints.mu.Lock()
	b.hints.watchers[q] = struct{}{}
	b.hints.mu.Unlock()
	defer func() {
		b.hints.mu.Lock()
		delete(b.hints.watchers, q)
		b.hints.mu.Unlock()
	}()
	for {
		c, err := q.take(ctx)
		if err != nil {
			return nil
		}
		changed(c)
	}
}

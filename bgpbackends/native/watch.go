package native

import (
	"context"
	"sync"

	"github.com/stentor-net/stentor/plugins"
)

// watchers spread Changes to all who watch. A hint that nobody has taken yet
// says all that another one would.
type watchers struct {
	mu  sync.Mutex
	all map[chan plugins.Change]struct{}
}

func (w *watchers) tell(c plugins.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.all {
		select {
		case ch <- c:
		default:
		}
	}
}

// Watch reports each session that comes up, is lost, or fails to come up.
func (b *Backend) Watch(ctx context.Context, changed func(plugins.Change)) error {
	ch := make(chan plugins.Change, 16)
	b.watchers.mu.Lock()
	if b.watchers.all == nil {
		b.watchers.all = map[chan plugins.Change]struct{}{}
	}
	b.watchers.all[ch] = struct{}{}
	b.watchers.mu.Unlock()
	defer func() {
		b.watchers.mu.Lock()
		delete(b.watchers.all, ch)
		b.watchers.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-ch:
			changed(c)
		}
	}
}

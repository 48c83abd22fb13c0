// Package hooks tells programs and web servers what happens, in the
// background and in order.
package hooks

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/status"
)

// Options are what a Runner works with.
type Options struct {
	Host      string            // this host's name, for who is told
	Transport http.RoundTripper // nil: the usual one, which verifies certificates
	Log       *slog.Logger
}

// Runner has a worker for each hook. A hook that hangs delays no other, and
// nothing waits for any.
type Runner struct {
	Options
	calls   context.Context // of the calls; ends when there is no more time for them
	hurry   context.CancelFunc
	workers sync.WaitGroup

	mu     sync.Mutex
	hooks  map[string]*hook
	closed bool
}

// New makes a Runner without hooks.
func New(o Options) *Runner {
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	r := &Runner{Options: o, hooks: map[string]*hook{}}
	r.calls, r.hurry = context.WithCancel(context.Background())
	return r
}

// Set makes these the hooks. One that was there before keeps what it still has
// to tell, and is told by its new settings; one that is gone tells nothing more.
func (r *Runner) Set(all []config.Hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	gone := r.hooks
	r.hooks = make(map[string]*hook, len(all))
	for _, c := range all {
		h := gone[c.Name]
		delete(gone, c.Name)
		if h == nil {
			h = &hook{runner: r, news: make(chan struct{}, 1), told: map[string]string{}}
			h.configure(c)
			r.workers.Go(h.work)
		} else {
			h.configure(c)
		}
		r.hooks[c.Name] = h
	}
	for _, h := range gone {
		h.end(true)
	}
}

// Deliver hands events to the hooks that want them, and returns at once. s is
// the snapshot that they led to.
func (r *Runner) Deliver(events []history.Event, s *status.Status) {
	if len(events) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.hooks {
		h.deliver(events, s)
	}
}

// Close has the hooks tell what they still have to, until ctx ends; then it
// kills what runs.
func (r *Runner) Close(ctx context.Context) {
	r.mu.Lock()
	r.closed = true
	for _, h := range r.hooks {
		h.end(false)
	}
	r.mu.Unlock()
	stop := context.AfterFunc(ctx, r.hurry)
	defer stop()
	r.workers.Wait()
	r.hurry()
}

// Stat is how one hook is doing.
type Stat struct {
	Name      string
	Queue     int    // events that wait
	Delivered uint64 // events that were told
	Failed    uint64 // events that could not be told
	Dropped   uint64 // events that were never tried: the queue was full
}

// Stats are all hooks, by name.
func (r *Runner) Stats() []Stat {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Stat
	for _, h := range r.hooks {
		all = append(all, h.stats())
	}
	slices.SortFunc(all, func(a, b Stat) int { return strings.Compare(a.Name, b.Name) })
	return all
}

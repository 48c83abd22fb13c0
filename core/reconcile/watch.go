package reconcile

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

func (l *Loop) startWatch(ctx context.Context, s *speaker) {
	ctx, s.unwatch = context.WithCancel(ctx)
	l.watchers.Go(func() { l.watch(ctx, s.name(), s.bgp, &s.look) })
	if s.coming() {
		l.watchers.Go(func() {
			select {
			case <-s.came:
				l.WakeNow()
			case <-ctx.Done():
			}
		})
	}
}

// watch turns a backend's hints into passes, for as long as ctx lasts.
func (l *Loop) watch(ctx context.Context, what string, b plugins.Backend, look *atomic.Bool) {
	for {
		err := b.Watch(ctx, func(c plugins.Change) {
			l.Log.Debug("backend reports a change", "backend", what, "object", c.Object, "why", c.Why, "lost", c.Lost)
			look.Store(true)
			l.Wake()
		})
		if ctx.Err() != nil {
			return
		}
		l.Log.Warn("lost sight of a backend's events, looking again", "backend", what, "error", err)
		look.Store(true)
		l.Wake()
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryMin):
		}
	}
}

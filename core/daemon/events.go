package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/hooks"
	"github.com/stentor-net/stentor/core/metrics"
	"github.com/stentor-net/stentor/core/reconcile"
	"github.com/stentor-net/stentor/core/status"
)

const (
	// hookGrace is how long hooks may take to be told of the end.
	hookGrace = 3 * time.Second
	// historyGrace is how long the last events may take to the disk, which may hang.
	historyGrace = 2 * time.Second
)

// events is who is told of changes: the history, hooks and metrics.
type events struct {
	history *history.Log
	hooks   *hooks.Runner
	metrics *metrics.Metrics
}

func (d *Daemon) openEvents(cfg *config.Config) {
	host, err := os.Hostname()
	if err != nil {
		d.Log.Warn("hooks are not told this host's name", "error", err)
	}
	e := &events{
		history: history.Open(history.Options{
			Dir: history.Dir(d.StateDir), MaxSize: cfg.History.MaxSize, Changed: func() { d.loop.Wake() }, Log: d.Log,
		}),
		hooks: hooks.New(hooks.Options{Host: host, Log: d.Log}),
	}
	e.metrics = metrics.New(metrics.Source{
		Status: d.Status, Counts: func() reconcile.Counts { return d.loop.Counts() }, Hooks: e.hooks.Stats,
		History: func() (uint64, error) { return e.history.Lost(), e.history.Trouble().Err },
		Version: d.Version,
	})
	e.hooks.Set(cfg.Hooks)
	d.events = e
}

// configure takes over what can change by a reload.
func (e *events) configure(cfg *config.Config) {
	e.history.SetMaxSize(cfg.History.MaxSize)
	e.hooks.Set(cfg.Hooks)
}

// published tells everybody what a snapshot changed. It runs in the loop, and
// all that it calls returns at once.
func (e *events) published(old, cur *status.Status) {
	e.metrics.Published(old, cur)
	e.hooks.Deliver(e.history.Append(history.Changes(old, cur, time.Now())), cur)
}

// problems is what is wrong here.
func (e *events) problems() []status.Problem {
	t := e.history.Trouble()
	if t.Err == nil {
		return nil
	}
	why := t.Err
	if in := (*fs.PathError)(nil); errors.As(why, &in) { // which file it is does not help
		why = in.Err
	}
	return []status.Problem{{
		Object: "history", Message: fmt.Sprintf("events are not written to %s: %v", e.history.Dir, why),
		Hint: "make room there; the newest events wait in memory, and nothing else is affected",
	}}
}

// say logs what becomes of VIPs, which nothing else does. The loop can't, as a
// log may block.
func (e *events) say(ctx context.Context, log *slog.Logger, seen uint64) {
	for over := false; !over; {
		now, news := e.history.After(seen)
		for _, event := range now {
			seen = event.Seq
			if event.Kind() == "vip" {
				log.LogAttrs(ctx, level(event), "changed", attrs(event)...)
			}
		}
		select {
		case <-news:
		case <-ctx.Done():
			over = len(now) == 0 // what came meanwhile is said too
		}
	}
}

// attrs are an event as a log has it; what is empty is left out.
func attrs(e history.Event) []slog.Attr {
	all := []slog.Attr{slog.String(e.Kind(), e.Name()), slog.String("from", e.From), slog.String("to", e.To), slog.String("why", e.Why), slog.String("output", e.Output)}
	return slices.DeleteFunc(all, func(a slog.Attr) bool { return a.Value.String() == "" })
}

// level is how much an event matters.
func level(e history.Event) slog.Level {
	switch e.State() {
	case "withdrawn", "failed", "problem":
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// run writes the history until the function that it gives is called, which
// waits for the last of the hooks and of the history, but not for long.
func (e *events) run(log *slog.Logger, hurry <-chan struct{}) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	written, seen := make(chan struct{}), e.history.Seq()
	go e.say(ctx, log, seen)
	go func() {
		defer close(written)
		e.history.Run(ctx)
	}()
	return func() {
		told, done := context.WithTimeout(context.Background(), hookGrace)
		defer done()
		go func() {
			select {
			case <-hurry:
				done()
			case <-told.Done():
			}
		}()
		e.hooks.Close(told)
		cancel()
		select {
		case <-written:
		case <-time.After(historyGrace):
		}
	}
}

// History is what happened so far.
func (d *Daemon) History() *history.Log { return d.events.history }

// Metrics answers Prometheus.
func (d *Daemon) Metrics() http.Handler { return d.events.metrics.Handler(d.Log) }

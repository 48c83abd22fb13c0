package hooks

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/status"
)

// maxQueue bounds what waits for a hook that is slow.
const maxQueue = 1000

// hook is one hook: a queue and the goroutine that works it off.
type hook struct {
	runner *Runner

	mu     sync.Mutex
	config config.Hook
	queue  []call
	ended  bool
	told   map[string]string // keepalived's state of each VIP, as last told
	stat   Stat
	news   chan struct{}
}

// call is one event on its way to a hook.
type call struct {
	event history.Event
	args  []string // after the configured ones
}

func (h *hook) configure(c config.Hook) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.config, h.stat.Name = c, c.Name
}

// end has the worker return when the queue is empty; at once, if it shall drop it.
func (h *hook) end(drop bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	if drop {
		h.queue = nil
	}
	h.wake()
}

func (h *hook) wake() {
	select {
	case h.news <- struct{}{}:
	default: // it will wake anyway
	}
}

func (h *hook) stats() Stat {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stat
	s.Queue = len(h.queue)
	return s
}

func (h *hook) deliver(events []history.Event, s *status.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.config.Style == config.StyleKeepalived {
		for _, c := range h.vrrp(events, s) {
			h.push(c)
		}
	} else {
		for _, e := range events {
			if wanted(h.config.On, e) {
				h.push(call{event: e})
			}
		}
	}
	if len(h.queue) > 0 {
		h.wake()
	}
}

// push adds a call; if there is no room, the oldest goes: the newest says how
// things are.
func (h *hook) push(c call) {
	if len(h.queue) >= maxQueue {
		h.queue = h.queue[1:]
		h.stat.Dropped++
	}
	h.queue = append(h.queue, c)
}

// wanted reports whether a hook with this list is told of e.
func wanted(on []string, e history.Event) bool {
	return slices.Contains(on, e.Kind()) || e.Entered() && slices.Contains(on, e.Kind()+"."+e.State())
}

// work tells one event after another. It does the logging too: who delivers
// must not wait for a log.
func (h *hook) work() {
	dropped := uint64(0)
	for {
		c, cfg, ok := h.next()
		if !ok {
			return
		}
		began := time.Now()
		err := h.runner.tell(cfg, c)
		h.mu.Lock()
		lost := h.stat.Dropped - dropped
		dropped = h.stat.Dropped
		h.mu.Unlock()
		log := h.runner.Log.With("hook", cfg.Name, "object", c.event.Object, "to", c.event.To, "took", time.Since(began))
		if err != nil {
			log.Warn("hook failed", "error", err)
		} else {
			log.Debug("hook told")
		}
		if lost > 0 {
			log.Warn("hook is too slow, its oldest events were dropped", "dropped", lost)
		}
		h.mu.Lock() // last: who sees the count finds the reason in the log
		if err != nil {
			h.stat.Failed++
		} else {
			h.stat.Delivered++
		}
		h.mu.Unlock()
	}
}

// next waits for the next call, and gives the settings of now with it.
func (h *hook) next() (call, config.Hook, bool) {
	for {
		h.mu.Lock()
		if len(h.queue) > 0 && h.runner.calls.Err() == nil {
			c := h.queue[0]
			h.queue = h.queue[1:]
			cfg := h.config
			h.mu.Unlock()
			return c, cfg, true
		}
		ended := h.ended
		h.mu.Unlock()
		if ended {
			return call{}, config.Hook{}, false
		}
		<-h.news // its end comes this way too
	}
}

// tell makes one call.
func (r *Runner) tell(cfg config.Hook, c call) error {
	m := message{Event: c.event, Hook: cfg.Name, Host: r.Host, Kind: c.event.Kind(), Name: c.event.Name(), State: c.event.State()}
	if cfg.URL != "" {
		return r.post(r.calls, cfg, m)
	}
	ctx, cancel := context.WithTimeout(r.calls, cfg.Timeout)
	defer cancel()
	return execute(ctx, cfg, c.args, m)
}

// message is what hooks are sent. Its JSON is a contract: fields are only ever
// added.
type message struct {
	history.Event
	Hook  string `json:"hook"`
	Host  string `json:"host"`
	Kind  string `json:"kind"`  // "vip"
	Name  string `json:"name"`  // "web"
	State string `json:"state"` // "announced"
}

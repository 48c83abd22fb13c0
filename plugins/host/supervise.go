package host

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/stentor-net/stentor/plugins"
)

// State is how a plugin's process is.
type State struct {
	Path     string
	PID      int       // 0 while there is none
	Since    time.Time // of the present process
	Restarts int
	LastEnd  string // how the process before it ended; empty if there was none
}

// supervisor keeps one program running, and gives calls to the process there is.
type supervisor[B plugins.Backend] struct {
	opts Options
	prog Program
	over func(context.Context, grpc.ClientConnInterface) (B, error)
	info plugins.Info

	end     context.CancelFunc
	stopped chan struct{}
	closing sync.Once

	mu     sync.Mutex
	now    *running[B] // nil while there is none
	news   chan struct{}
	why    error           // why there is none
	config *plugins.Config // what the backend was configured with
	state  State
	told   int // the Restarts that Watch has told of
}

// running is a backend in its process.
type running[B plugins.Backend] struct {
	*instance
	backend B
	misses  int
}

// supervise starts prog, and starts it again whenever it ends, until close.
func supervise[B plugins.Backend](ctx context.Context, o Options, prog Program, over func(context.Context, grpc.ClientConnInterface) (B, error)) (*supervisor[B], error) {
	s := &supervisor[B]{
		opts: o.withDefaults(), prog: prog, over: over, stopped: make(chan struct{}), news: make(chan struct{}),
		state: State{Path: prog.Path},
	}
	first, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	s.info = first.backend.Info()
	s.set(first, nil)
	life, end := context.WithCancel(context.Background())
	s.end = end
	go s.run(life, first)
	return s, nil
}

// start gives a process whose backend is who it should be and is configured.
func (s *supervisor[B]) start(ctx context.Context) (*running[B], error) {
	i, err := launch(ctx, s.opts, s.prog)
	if err != nil {
		return nil, err
	}
	r := &running[B]{instance: i}
	ctx, cancel := context.WithTimeout(ctx, s.opts.limits.start)
	defer cancel()
	if r.backend, err = s.over(ctx, i.conn); err == nil {
		err = matches(s.prog.Info(), r.backend.Info())
	}
	if err != nil {
		i.stop("is not what its manifest says")
		return nil, fmt.Errorf("plugin %s: %w", s.prog.Path, err)
	}
	s.mu.Lock()
	config := s.config
	s.mu.Unlock()
	if config == nil {
		return r, nil
	}
	if err := r.backend.Configure(ctx, *config); err != nil {
		i.stop("could not be configured again")
		return nil, fmt.Errorf("plugin %s, configured as before: %w%s", s.prog.Path, err, i.tail)
	}
	return r, nil
}

// matches compares what a manifest and a process say.
func matches(manifest, have plugins.Info) error {
	if have.API != manifest.API {
		return apiError(have.Name, have.API)
	}
	if have.Name != manifest.Name || have.Kind != manifest.Kind {
		return fmt.Errorf("its manifest says %s (%s), and it says %s (%s) itself; write the manifest again: PROGRAM --manifest",
			manifest.Name, manifest.Kind, have.Name, have.Kind)
	}
	for _, c := range manifest.Caps {
		if !have.Has(c) {
			return fmt.Errorf("its manifest promises %q, and it can't do that; write the manifest again: PROGRAM --manifest", c)
		}
	}
	return nil
}

// run follows the processes until ctx ends.
func (s *supervisor[B]) run(ctx context.Context, r *running[B]) {
	defer close(s.stopped)
	fails := 0
	for {
		var err error
		select {
		case <-ctx.Done():
			r.stop("did not end when it was asked to")
			return
		case <-r.gone:
			err = r.death()
			if time.Since(r.since) >= s.opts.limits.calm {
				fails = 0
			}
		}
		for r = nil; r == nil; {
			wait := min(s.opts.limits.retryMin<<min(fails, 16), s.opts.limits.retryMax)
			wait = wait/2 + rand.N(wait/2+1) // jitter, lest a fleet tries in step
			fails++
			s.opts.Log.Error("a plugin is down", "plugin", s.prog.Name, "error", err, "next_start_in", wait.Round(time.Millisecond))
			s.set(nil, err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			r, err = s.start(ctx)
		}
		s.opts.Log.Info("the plugin runs again", "plugin", s.prog.Name, "pid", r.proc.pid())
		s.set(r, nil)
	}
}

// death is the error of calls to a process that is no more.
func (r *running[B]) death() error {
	return fmt.Errorf("plugin %s (pid %d) ended: %s%s%w", r.prog.Path, r.proc.pid(), r.proc.how(), r.tail, quietly{plugins.ErrUnavailable})
}

// set publishes a process, or that there is none.
func (s *supervisor[B]) set(r *running[B], why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r != nil {
		if s.state.LastEnd != "" {
			s.state.Restarts++
		}
		s.state.PID, s.state.Since = r.proc.pid(), r.since
	} else {
		s.state.PID, s.state.LastEnd = 0, why.Error()
	}
	s.now, s.why = r, why
	close(s.news)
	s.news = make(chan struct{})
}

func (s *supervisor[B]) current() (r *running[B], news <-chan struct{}, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.news, s.why
}

// State tells how the process is.
func (s *supervisor[B]) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Info is what the first process said.
func (s *supervisor[B]) Info() plugins.Info { return s.info }

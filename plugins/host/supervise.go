package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/stentor-net/stentor/plugins"
)

// State is how a plugin's process is.
type State struct {
	plugins.Info
	Path      string
	User      string    // whom it runs as; empty: the daemon's own user
	UserWhy   string    // why that is not the user it should be
	Powerless bool      // it has no capabilities
	PID       int       // 0 while there is none
	Since     time.Time // of the present process
	Restarts  int
	LastEnd   string    // how the process before it ended; empty if there was none
	EndedAt   time.Time // when it did
	NextAt    time.Time // when the next start is due, while there is no process
	Peer      string    // the one BGP peer that it serves, if it serves one alone
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
	came   chan struct{}   // closed when the first one is there, or did not come; nil: nobody waits for it
	why    error           // why there is none
	config *plugins.Config // what the backend was configured with
	state  State
	last   ending // of the process before
	ends   int    // how often it came to one
	told   int    // the Restarts that Watch has told of
	// culprits are the BGP peers whose goroutines panicked, and the ends that came of it.
	culprits map[netip.Addr]ending
}

// ending is how a process ended.
type ending struct {
	panicked string // the first line of the panic; empty if it was none
	err      error
	at       time.Time
}

// running is a backend in its process.
type running[B plugins.Backend] struct {
	*instance
	backend B
	config  *plugins.Config // what it was configured with
	misses  int
}

// supervise starts prog, and starts it again whenever it ends, until close.
func supervise[B plugins.Backend](ctx context.Context, o Options, prog Program, over func(context.Context, grpc.ClientConnInterface) (B, error)) (*supervisor[B], error) {
	s := newSupervisor(o, prog, over)
	if o.Background {
		s.begin()
		return s, nil
	}
	first, err := s.start(ctx)
	switch {
	case err == nil:
		s.info = first.backend.Info()
		s.state.Info = s.info
		s.set(first)
		s.keep(first, ending{})
	case o.KeepTrying && ctx.Err() == nil:
		never := ending{err: err, at: time.Now()}
		s.down(never, 0)
		s.keep(nil, never)
	default:
		return nil, err
	}
	return s, nil
}

func newSupervisor[B plugins.Backend](o Options, prog Program, over func(context.Context, grpc.ClientConnInterface) (B, error)) *supervisor[B] {
	return &supervisor[B]{
		opts: o.withDefaults(), prog: prog, over: over, info: prog.Info(), stopped: make(chan struct{}), news: make(chan struct{}),
		state:    State{Info: prog.Info(), Path: prog.Path, User: prog.User, UserWhy: prog.why},
		culprits: map[netip.Addr]ending{},
	}
}

// keep has a process run until close: first, or one that comes after the end of another.
func (s *supervisor[B]) keep(first *running[B], before ending) {
	life, end := context.WithCancel(context.Background())
	s.end = end
	go s.run(life, first, before)
}

// errComing is why there is no process while the first one comes up.
var errComing = errors.New("its process is coming up")

// begin is keep for a process that is not there yet.
func (s *supervisor[B]) begin() {
	life, end := context.WithCancel(context.Background())
	s.end, s.why, s.came = end, errComing, make(chan struct{})
	go func() {
		first, err := s.start(life)
		switch {
		case err == nil && !s.set(first):
			first.stop(errEarly.Error())
			first, err = nil, errEarly
		case life.Err() != nil && first == nil:
			s.mu.Lock()
			s.publish(nil, err)
			s.mu.Unlock()
			close(s.stopped)
			return
		}
		s.run(life, first, ending{err: err, at: time.Now()})
	}()
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
		return nil, fmt.Errorf("%s: %w", s.prog, err)
	}
	s.mu.Lock()
	r.config = s.config
	s.mu.Unlock()
	if r.config == nil {
		return r, nil
	}
	if err := r.backend.Configure(ctx, *r.config); err != nil {
		ended := !i.answers()
		i.stop("could not be configured again")
		if ended {
			err = fmt.Errorf("it ended: %s: %w", i.proc.how(), err)
		}
		return nil, fmt.Errorf("%s, configured as before: %w%s", s.prog, err, i.tail)
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
func (s *supervisor[B]) run(ctx context.Context, r *running[B], last ending) {
	defer close(s.stopped)
	for fails := 0; ; {
		if r != nil {
			select {
			case <-ctx.Done():
				r.stop("did not end when it was asked to")
				return
			case <-r.gone:
				last = s.ended(r)
				if time.Since(r.since) >= s.opts.limits.calm {
					fails = 0
				}
			}
		}
		for r = nil; r == nil; {
			if ctx.Err() != nil {
				return
			}
			wait := min(s.opts.limits.retryMin<<min(fails, 16), s.opts.limits.retryMax)
			wait = wait/2 + rand.N(wait/2+1) // jitter, lest a fleet tries in step
			fails++
			s.opts.Log.Error("a plugin is down", "plugin", s.prog.Name, "error", last.err, "next_start_in", wait.Round(time.Millisecond))
			s.down(last, wait)
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			if r, last.err = s.start(ctx); r == nil {
				last.at = time.Now()
			}
		}
		if !s.set(r) {
			last = ending{err: errEarly, at: time.Now()}
			r.stop(errEarly.Error())
			r = nil
			continue
		}
		s.opts.Log.Info("the plugin runs", "plugin", s.prog.Name, "pid", r.proc.pid())
	}
}

// errEarly ends a process that was started while its settings arrived.
var errEarly = errors.New("was started before its settings were known")

// ended notes how a process ended, and which peer's doing it was.
func (s *supervisor[B]) ended(r *running[B]) ending {
	about, peer := r.tail.panicked()
	e := ending{panicked: about, err: r.death(), at: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends++
	if peer.IsValid() {
		s.culprits[peer] = e
	}
	return e
}

// death is the error of calls to a process that is no more.
func (r *running[B]) death() error {
	how := r.proc.how()
	if about, _ := r.tail.panicked(); about != "" {
		how += ", " + about
	}
	return fmt.Errorf("%s (pid %d) ended: %s%s%s%w", r.prog, r.proc.pid(), how, r.prog.advice(), r.tail, quietly{plugins.ErrUnavailable})
}

// set publishes a process, unless it has not read the settings.
func (s *supervisor[B]) set(r *running[B]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.config != s.config {
		return false
	}
	if s.state.LastEnd != "" {
		s.state.Restarts++
	}
	s.state.PID, s.state.Since, s.state.NextAt = r.proc.pid(), r.since, time.Time{}
	s.state.Powerless = powerless(r.proc.pid())
	s.publish(r, nil)
	return true
}

// down publishes that there is none, and when there will be.
func (s *supervisor[B]) down(last ending, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = last
	s.state.PID, s.state.LastEnd, s.state.EndedAt, s.state.NextAt = 0, last.err.Error(), last.at, time.Now().Add(wait)
	s.publish(nil, last.err)
}

func (s *supervisor[B]) publish(r *running[B], why error) {
	if errors.Is(s.why, errComing) {
		close(s.came)
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

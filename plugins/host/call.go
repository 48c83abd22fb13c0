package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// maxMisses is how many calls in a row may go unanswered until their time is
// over. Plugins that use package plugins end by themselves before that.
const maxMisses = 3

// call has the present process do something. While there is none it fails at
// once: Watch tells when there is one again. It waits for the first one.
func (s *supervisor[B]) call(ctx context.Context, what string, do func(context.Context, B) error) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.opts.limits.call)
		defer cancel()
	}
	r, news, why := s.current()
	for r == nil && errors.Is(why, errComing) {
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
		r, news, why = s.current()
	}
	if r == nil {
		return why
	}
	return s.explain(ctx, r, what, do(ctx, r.backend))
}

// explain makes the error of a call one that people can act on.
func (s *supervisor[B]) explain(ctx context.Context, r *running[B], what string, err error) error {
	switch {
	// Either side's clock may be the first to say so.
	case unanswered(err) && (errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded)):
		s.missed(r)
		return fmt.Errorf("%s (pid %d) did not answer %s in time%s: %w", r.prog, r.proc.pid(), what, r.prog.advice(), context.DeadlineExceeded)
	case ctx.Err() != nil || err == nil:
		s.answered(r)
		return err
	// Cut off though nobody wanted that: by the end of the connection.
	case (errors.Is(err, plugins.ErrUnavailable) || unanswered(err)) && !r.answers():
		select {
		case <-r.gone:
			return r.death()
		case <-time.After(2 * drainTime):
		}
		return fmt.Errorf("the connection to %s (pid %d) is down: %w", r.prog, r.proc.pid(), plugins.ErrUnavailable)
	}
	s.answered(r)
	return err
}

// unanswered tells a call that was cut off on this side: an answer of the
// backend's has words of its own.
func unanswered(err error) bool {
	return err != nil && (err.Error() == context.DeadlineExceeded.Error() || err.Error() == context.Canceled.Error())
}

func (s *supervisor[B]) answered(r *running[B]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.misses = 0
}

func (s *supervisor[B]) missed(r *running[B]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.misses++; r.misses == maxMisses {
		r.proc.kill(fmt.Sprintf("left %d calls in a row without an answer", maxMisses))
	}
}

// Configure is remembered for the processes to come.
func (s *supervisor[B]) Configure(ctx context.Context, c plugins.Config) error {
	if s.remember(c) {
		return nil
	}
	r, _, _ := s.current()
	err := s.call(ctx, "Configure", func(ctx context.Context, b B) error { return b.Configure(ctx, c) })
	lost := errors.Is(err, plugins.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
	if err != nil && !(lost && s.opts.KeepTrying) {
		return err
	}
	s.mu.Lock()
	s.config = &c
	s.mu.Unlock()
	if lost && r != nil {
		r.proc.kill("could not be configured")
	}
	return nil
}

// remember takes over what the first process will be configured with, if that
// one is still coming up.
func (s *supervisor[B]) remember(c plugins.Config) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !errors.Is(s.why, errComing) {
		return false
	}
	s.config = &c
	return true
}

// Detect asks the present process.
func (s *supervisor[B]) Detect(ctx context.Context) (d plugins.Detection, err error) {
	err = s.call(ctx, "Detect", func(ctx context.Context, b B) (err error) { d, err = b.Detect(ctx); return err })
	return d, err
}

// Watch goes on over the ends of processes, and tells of each, and of each new
// start: what was set up in the process before is lost.
func (s *supervisor[B]) Watch(ctx context.Context, changed func(plugins.Change)) error {
	for ctx.Err() == nil {
		r, news, why := s.current()
		if r == nil {
			if !errors.Is(why, errComing) {
				changed(plugins.Change{Why: why.Error()})
			}
			select {
			case <-ctx.Done():
			case <-news:
			}
			continue
		}
		if why, again := s.untold(); again {
			changed(plugins.Change{Why: "started again after: " + why, Lost: true})
		}
		err := r.backend.Watch(ctx, changed)
		if ctx.Err() != nil {
			return nil
		}
		if r.answers() {
			return err
		}
		select { // until run has seen it too
		case <-ctx.Done():
		case <-news:
		}
	}
	return nil
}

// untold tells once of each restart.
func (s *supervisor[B]) untold() (lastEnd string, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	again = s.told < s.state.Restarts
	s.told = s.state.Restarts
	return s.state.LastEnd, again
}

// Close ends the process for good.
func (s *supervisor[B]) Close() (err error) {
	s.closing.Do(func() {
		if r, _, _ := s.current(); r != nil {
			if err = r.backend.Close(); err != nil && !r.answers() {
				err = nil // it has ended before it was asked to
			}
		}
		s.end()
		<-s.stopped
	})
	return err
}

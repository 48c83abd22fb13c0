package reconcile

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/stentor-net/stentor/core/statefile"
)

// LatchStore keeps over restarts which VIPs wait for a person to take them back
// to their role, and since when. It writes beside the loop: a disk that hangs
// must not hold up a withdrawal.
type LatchStore struct {
	path  string
	dirty chan struct{}

	mu      sync.Mutex
	now     map[string]time.Time
	waiting []chan<- error // for now to be on disk
	err     error          // why it is not
}

// OpenLatches reads the store in stateDir.
func OpenLatches(stateDir string) (*LatchStore, error) {
	s := &LatchStore{path: filepath.Join(stateDir, "failback.json"), dirty: make(chan struct{}, 1)}
	if err := statefile.Read(s.path, &s.now); err != nil {
		return nil, fmt.Errorf("failback: %w", err)
	}
	return s, nil
}

// All gives the latched VIPs.
func (s *LatchStore) All() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.now)
}

// set has latches written. Those who wait are told how that went.
func (s *LatchStore) set(latches map[string]time.Time, waiting []chan<- error) {
	s.mu.Lock()
	same := maps.EqualFunc(s.now, latches, time.Time.Equal)
	s.now, s.waiting = latches, append(s.waiting, waiting...)
	s.mu.Unlock()
	if same && len(waiting) == 0 {
		return
	}
	select {
	case s.dirty <- struct{}{}:
	default: // it is about to write
	}
}

// run writes what changes until ctx ends, and tries again after an error.
func (s *LatchStore) run(ctx context.Context, changed func()) {
	for {
		var retry <-chan time.Time
		if s.failure() != nil {
			retry = time.After(retryMax)
		}
		select {
		case <-ctx.Done():
			select {
			case <-s.dirty:
				s.write()
			default:
			}
			return
		case <-s.dirty:
		case <-retry:
		}
		before := s.failure()
		if after := s.write(); (before == nil) != (after == nil) {
			changed()
		}
	}
}

func (s *LatchStore) write() error {
	s.mu.Lock()
	now, waiting := s.now, s.waiting
	s.waiting = nil
	s.mu.Unlock()
	err := statefile.Write(s.path, now)
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	for _, w := range waiting {
		w <- err
	}
	return err
}

// failure tells why the disk does not hold what it should.
func (s *LatchStore) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

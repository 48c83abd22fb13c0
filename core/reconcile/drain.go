package reconcile

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/stentor-net/stentor/core/statefile"
)

// Drain is the wish of a person that a VIP be served elsewhere.
type Drain struct {
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"` // zero: until it is undrained
	Reason  string    `json:"reason,omitempty"`
	leaving bool      // the daemon stops: the drain is not a person's, and ends with it
}

func (d Drain) why() string {
	s := "drained"
	if d.Reason != "" {
		s += " (" + d.Reason + ")"
	}
	if !d.Until.IsZero() {
		s += " until " + d.Until.Format(time.RFC3339)
	}
	return s
}

// Drains are the drains in force, by VIP name. It is not changed once made.
type Drains struct {
	// All drains every VIP, those of a later config too.
	All  *Drain           `json:"all,omitempty"`
	VIPs map[string]Drain `json:"vips,omitempty"`
}

// Of gives the drain of a VIP: its own, or that of all.
func (d Drains) Of(vip string) (Drain, bool) {
	if own, ok := d.VIPs[vip]; ok {
		return own, true
	}
	if d.All != nil {
		return *d.All, true
	}
	return Drain{}, false
}

// NextEnd is when the first of them ends by itself; zero if none does.
func (d Drains) NextEnd() time.Time {
	var next time.Time
	if d.All != nil {
		next = d.All.Until
	}
	for _, one := range d.VIPs {
		next = earlier(next, one.Until)
	}
	return next
}

// at gives those still in force at now.
func (d Drains) at(now time.Time) Drains {
	over := func(one Drain) bool { return !one.Until.IsZero() && !now.Before(one.Until) }
	left := Drains{VIPs: map[string]Drain{}}
	if d.All != nil && !over(*d.All) {
		left.All = d.All
	}
	for name, one := range d.VIPs {
		if !over(one) {
			left.VIPs[name] = one
		}
	}
	return left
}

// DrainStore keeps the drains over restarts.
type DrainStore struct {
	path string
	mu   sync.Mutex
	now  Drains
}

// OpenDrains reads the store in stateDir.
func OpenDrains(stateDir string) (*DrainStore, error) {
	s := &DrainStore{path: filepath.Join(stateDir, "drain.json")}
	if err := statefile.Read(s.path, &s.now); err != nil {
		return nil, fmt.Errorf("drains: %w", err)
	}
	return s, nil
}

// At gives the drains in force at now.
func (s *DrainStore) At(now time.Time) Drains {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.at(now)
}

// Set drains the named VIPs, or all if none is named. A VIP that is drained
// already keeps its start, so that its grace time does not begin anew.
func (s *DrainStore) Set(vips []string, d Drain) error {
	return s.change(d.Since, func(next *Drains) {
		if len(vips) == 0 {
			if next.All != nil {
				d.Since = next.All.Since
			}
			next.All = &d
		}
		for _, name := range vips {
			one := d
			if old, drained := next.Of(name); drained {
				one.Since = old.Since
			}
			next.VIPs[name] = one
		}
	})
}

// Clear ends the drain of the named VIPs, or every drain if none is named.
// all are the names of every VIP: when the whole host is drained and some VIPs
// are named, the others stay drained by name.
func (s *DrainStore) Clear(vips, all []string, now time.Time) error {
	return s.change(now, func(next *Drains) {
		if len(vips) == 0 {
			*next = Drains{}
			return
		}
		if next.All != nil {
			for _, name := range all {
				if _, own := next.VIPs[name]; !own && !slices.Contains(vips, name) {
					next.VIPs[name] = *next.All
				}
			}
			next.All = nil
		}
		for _, name := range vips {
			delete(next.VIPs, name)
		}
	})
}

// change lets edit work on a copy, and takes it over once it is on disk.
func (s *DrainStore) change(now time.Time, edit func(*Drains)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.now.at(now)
	edit(&next)
	if err := statefile.Write(s.path, next); err != nil {
		return fmt.Errorf("the drain could not be kept, so nothing was changed: %w", err)
	}
	s.now = next
	return nil
}

// Package verify compares a host before and after a change of its addresses:
// the change must cost it nothing of what it had.
package verify

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/core/host"
)

const (
	// settleTime is how long something may be missing: stacks take addresses
	// away for a moment, and duplicate address detection lasts a second or two.
	settleTime  = 5 * time.Second
	settleEvery = 100 * time.Millisecond
)

// Snapshot is what a change must not cost.
type Snapshot struct {
	View     host.View
	Defaults []host.Default
	Peers    map[netip.Addr]host.Route // of those that there is a way to
}

// Look takes a snapshot of this host and its ways to peers.
func Look(peers []netip.Addr) (Snapshot, error) {
	s := Snapshot{Peers: make(map[netip.Addr]host.Route, len(peers))}
	var err error
	if s.View, err = host.Read(); err != nil {
		return s, err
	}
	if s.Defaults, err = host.Defaults(); err != nil {
		return s, err
	}
	for _, p := range peers {
		r, err := host.RouteTo(p)
		switch {
		case errors.Is(err, host.ErrNoRoute):
		case err != nil:
			return s, err
		default:
			s.Peers[p] = r
		}
	}
	return s, nil
}

// Change is what was asked for.
type Change struct {
	Want []netip.Addr        // has to be on the host
	Ours map[netip.Addr]bool // may come and go
}

// Lost tells what a host lacks after a change, for people; nothing if all is well.
func Lost(before, after Snapshot, c Change) []string {
	var lost []string
	for _, a := range c.Want {
		if len(after.View.Addrs[a]) == 0 {
			lost = append(lost, fmt.Sprintf("%s is not on the host", a))
		}
	}
	for name, l := range before.View.Links {
		if l.Loopback && l.Up && !after.View.Links[name].Up {
			lost = append(lost, name+" is down")
		}
	}
	for a, places := range before.View.Addrs {
		if c.Ours[a] {
			continue
		}
		for _, p := range places {
			if !p.Usable || p.Dynamic && p.Deprecated {
				continue // it was not there yet, or on its way out
			}
			if _, there := after.View.Links[p.Link]; !there && !leads(before, p.Link) {
				continue // the link of a container or a tunnel comes and goes
			}
			if !slices.ContainsFunc(after.View.Addrs[a], func(n host.Addr) bool {
				return n.Link == p.Link && n.Prefix == p.Prefix && n.Usable
			}) {
				lost = append(lost, fmt.Sprintf("%s on %s is gone", p.Prefix, p.Link))
			}
		}
	}
	for _, d := range before.Defaults {
		if !slices.Contains(after.Defaults, d) {
			lost = append(lost, d.String()+" is gone")
		}
	}
	for peer, was := range before.Peers {
		now, there := after.Peers[peer]
		switch {
		case !there:
			lost = append(lost, fmt.Sprintf("the way to peer %s is gone", peer))
		case now.Link != was.Link || now.Gateway != was.Gateway:
			lost = append(lost, fmt.Sprintf("the way to peer %s is another one: %s, and was %s", peer, way(now), way(was)))
		}
	}
	slices.Sort(lost)
	return lost
}

// leads reports whether the host needs that link to be reached.
func leads(s Snapshot, link string) bool {
	if s.View.Links[link].Loopback {
		return true
	}
	for _, d := range s.Defaults {
		if d.Link == link {
			return true
		}
	}
	for _, r := range s.Peers {
		if r.Link == link {
			return true
		}
	}
	return false
}

func way(r host.Route) string {
	if r.Gateway.IsValid() {
		return fmt.Sprintf("via %s by %s", r.Gateway, r.Link)
	}
	return "by " + r.Link
}

// Wait looks until nothing is lost, and fails when the host has had its time
// to settle.
func Wait(ctx context.Context, before Snapshot, c Change, look func() (Snapshot, error)) error {
	deadline := time.Now().Add(settleTime)
	for {
		after, err := look()
		if err != nil {
			return fmt.Errorf("check the host after the change: %w", err)
		}
		lost := Lost(before, after, c)
		if len(lost) == 0 {
			return nil
		}
		if !time.Now().Before(deadline) {
			return &LossError{lost}
		}
		select {
		case <-ctx.Done():
			return &LossError{lost}
		case <-time.After(settleEvery):
		}
	}
}

// LossError says what the host lacks.
type LossError struct{ Lost []string }

func (e *LossError) Error() string { return strings.Join(e.Lost, "; ") }

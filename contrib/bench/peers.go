package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

// peers are the four far ends of one measurement.
type peers []*bgppeer.Peer

func (p peers) close() {
	for _, one := range p {
		one.Close()
	}
}

// tooLate: what was waited for did not happen within limit.
type tooLate struct{ limit time.Duration }

func (t *tooLate) Error() string { return fmt.Sprintf("not within %s", t.limit) }

// matcher is asked once for each event of a peer, oldest first.
type matcher func(bgppeer.Event) bool

// all waits until each peer has seen what a matcher of its own looks for, and
// gives the time at which the last one did. Past limit it gives up.
func (p peers) all(ctx context.Context, limit time.Duration, what string, newMatcher func() matcher) (time.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &tooLate{limit})
	defer cancel()
	var last time.Time
	for i, one := range p {
		e, err := one.Wait(ctx, newMatcher())
		if err != nil { // it holds the whole history, thousands of lines here
			return time.Time{}, fmt.Errorf("peer %d did not see %s: %w", i+1, what, context.Cause(ctx))
		}
		if e.Time.After(last) {
			last = e.Time
		}
	}
	return last, nil
}

// first gives the time of the first event on any peer that match accepts; zero
// if there is none.
func (p peers) first(match matcher) time.Time {
	var first time.Time
	for _, one := range p {
		for _, e := range one.Events() {
			if match(e) && (first.IsZero() || e.Time.Before(first)) {
				first = e.Time
			}
		}
	}
	return first
}

// count gives how many events of all peers match, at from or later.
func (p peers) count(from time.Time, match matcher) int {
	n := 0
	for _, one := range p {
		for _, e := range one.Events() {
			if since(from, match)(e) {
				n++
			}
		}
	}
	return n
}

// rib is which session holds a route.
type rib map[netip.Prefix]int

// take applies an event. A NOTIFICATION ends the session (RFC 4271 §6), and
// with it go its routes.
func (r rib) take(e bgppeer.Event) {
	switch e.Kind {
	case bgppeer.UpdateReceived:
		for _, p := range e.Update.Withdrawn {
			delete(r, p)
		}
		for _, p := range e.Update.Announced {
			r[p] = e.Session
		}
	case bgppeer.NotificationReceived, bgppeer.Closed:
		for p, session := range r {
			if session == e.Session {
				delete(r, p)
			}
		}
	}
}

// holding matches when the peer holds n routes.
func holding(n int) matcher {
	r := rib{}
	return func(e bgppeer.Event) bool {
		r.take(e)
		return len(r) >= n
	}
}

// empty matches when, at from or later, the peer holds no route.
func empty(from time.Time) matcher {
	r := rib{}
	return func(e bgppeer.Event) bool {
		r.take(e)
		return len(r) == 0 && !e.Time.Before(from)
	}
}

func announcing(e bgppeer.Event) bool {
	return e.Kind == bgppeer.UpdateReceived && len(e.Update.Announced) > 0
}

func closed(e bgppeer.Event) bool { return e.Kind == bgppeer.Closed }

// update matches an UPDATE that has news; an End-of-RIB marker has none.
func update(e bgppeer.Event) bool {
	return e.Kind == bgppeer.UpdateReceived && !e.Update.EndOfRIB
}

func withdrawing(e bgppeer.Event) bool {
	return e.Kind == bgppeer.UpdateReceived && len(e.Update.Withdrawn) > 0
}

// since shows match only what happened at from or later.
func since(from time.Time, match matcher) matcher {
	return func(e bgppeer.Event) bool { return !e.Time.Before(from) && match(e) }
}

func announces(p netip.Prefix) matcher {
	return func(e bgppeer.Event) bool { return announcing(e) && slices.Contains(e.Update.Announced, p) }
}

func announcesAs(p netip.Prefix, community uint32) matcher {
	return func(e bgppeer.Event) bool { return announces(p)(e) && slices.Contains(e.Update.Communities, community) }
}

func withdraws(p netip.Prefix) matcher {
	return func(e bgppeer.Event) bool { return withdrawing(e) && slices.Contains(e.Update.Withdrawn, p) }
}

// announcedAgain matches the first announcement of p after a withdrawal of it
// at from or later.
func announcedAgain(from time.Time, p netip.Prefix) matcher {
	gone := false
	return func(e bgppeer.Event) bool {
		gone = gone || since(from, withdraws(p))(e)
		return gone && announces(p)(e)
	}
}

// goodbye tells how a session ended: what was said from then on, in order.
func goodbye(events []bgppeer.Event, from time.Time) string {
	var said []string
	for _, e := range events {
		word := ""
		switch {
		case e.Time.Before(from):
		case withdrawing(e):
			word = "withdrawal"
		case e.Kind == bgppeer.NotificationReceived && e.Notification.Code == 6:
			word = fmt.Sprintf("Cease 6/%d", e.Notification.Subcode)
		case e.Kind == bgppeer.NotificationReceived:
			word = fmt.Sprintf("NOTIFICATION %d/%d", e.Notification.Code, e.Notification.Subcode)
		case e.Kind == bgppeer.Closed && len(said) == 0:
			word = "close only"
		}
		if word != "" && !slices.Contains(said, word) {
			said = append(said, word)
		}
	}
	return strings.Join(said, ", ")
}

package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins/plugintest/bgppeer"
)

var (
	routeA = netip.MustParsePrefix("198.18.0.1/32")
	routeB = netip.MustParsePrefix("198.18.0.2/32")
	zero   = time.Unix(1_000_000, 0)
)

// at makes an event of a session n seconds after zero.
func at(n int, session int, e bgppeer.Event) bgppeer.Event {
	e.Time, e.Session = zero.Add(time.Duration(n)*time.Second), session
	return e
}

func announce(p ...netip.Prefix) bgppeer.Event {
	return bgppeer.Event{Kind: bgppeer.UpdateReceived, Update: &bgppeer.Update{Announced: p, Attributes: bgppeer.Attributes{Communities: []uint32{primary}}}}
}

func withdraw(p ...netip.Prefix) bgppeer.Event {
	return bgppeer.Event{Kind: bgppeer.UpdateReceived, Update: &bgppeer.Update{Withdrawn: p}}
}

func notify(code, subcode uint8) bgppeer.Event {
	return bgppeer.Event{Kind: bgppeer.NotificationReceived, Notification: &bgppeer.Notification{Code: code, Subcode: subcode}}
}

var endOfRIB = bgppeer.Event{Kind: bgppeer.UpdateReceived, Update: &bgppeer.Update{EndOfRIB: true}}

func TestMatchers(t *testing.T) {
	from := zero.Add(3 * time.Second)
	events := []bgppeer.Event{
		at(0, 1, bgppeer.Event{Kind: bgppeer.Accepted}),
		at(1, 1, announce(routeA)),
		at(2, 1, announce(routeB)),
		at(3, 1, endOfRIB),
		at(4, 1, withdraw(routeA)),
		at(5, 1, announce(routeA)),
		at(6, 2, announce(routeB)), // a second session takes the route over
		at(7, 1, bgppeer.Event{Kind: bgppeer.Closed}),
		at(8, 2, notify(6, 3)),
		at(9, 2, bgppeer.Event{Kind: bgppeer.Closed}),
	}
	for _, tc := range []struct {
		name  string
		match matcher
		want  int // the second of the first match, -1 for none
	}{
		{"the first route", announcing, 1},
		{"both routes", holding(2), 2},
		{"three routes", holding(3), -1},
		{"no route at all, later", empty(from), 8},
		{"no route, from before the first", empty(zero), 0},
		{"a withdrawal", withdraws(routeA), 4},
		{"a withdrawal of another route", withdraws(routeB), -1},
		{"an announcement with its role", announcesAs(routeB, primary), 2},
		{"an announcement with another role", announcesAs(routeB, secondary), -1},
		{"an announcement from then on", since(from, announces(routeB)), 6},
		{"back after a withdrawal", announcedAgain(zero, routeA), 5},
		{"back, but never gone since", announcedAgain(from.Add(2*time.Second), routeA), -1},
		{"the end", closed, 7},
	} {
		got := -1
		for _, e := range events {
			if tc.match(e) {
				got = int(e.Time.Sub(zero) / time.Second)
				break
			}
		}
		if got != tc.want {
			t.Errorf("%s: second %d, want %d", tc.name, got, tc.want)
		}
	}
	updates := 0
	for _, e := range events {
		if update(e) {
			updates++
		}
	}
	if updates != 5 {
		t.Errorf("%d UPDATEs, want 5 without the End-of-RIB marker", updates)
	}
}

func TestGoodbye(t *testing.T) {
	end := bgppeer.Event{Kind: bgppeer.Closed}
	early := at(0, 1, withdraw(routeB))
	for _, tc := range []struct {
		want   string
		events []bgppeer.Event
	}{
		{"withdrawal, Cease 6/3", []bgppeer.Event{early, at(2, 1, withdraw(routeA)), at(2, 1, withdraw(routeB)), at(3, 1, notify(6, 3)), at(3, 1, end)}},
		{"Cease 6/2, withdrawal", []bgppeer.Event{early, at(2, 1, notify(6, 2)), at(3, 1, withdraw(routeA))}},
		{"NOTIFICATION 4/0", []bgppeer.Event{early, at(2, 1, notify(4, 0)), at(3, 1, end)}},
		{"close only", []bgppeer.Event{early, at(2, 1, end)}},
		{"", []bgppeer.Event{early}},
	} {
		if got := goodbye(tc.events, zero.Add(time.Second)); got != tc.want {
			t.Errorf("goodbye %q, want %q", got, tc.want)
		}
	}
}

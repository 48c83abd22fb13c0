package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/core/status"
)

// announcedTo is the state of a VIP, and how many peers were told.
func announcedTo(v status.VIP) string {
	text := fmt.Sprintf("%s %d/%d peers", v.State, len(v.AnnouncedTo), v.Peers)
	if v.Demoted {
		text += ", demoted"
	}
	return text
}

// held tells what a VIP's past costs it, and when that is over; empty if nothing.
func held(v status.VIP, now time.Time) string {
	var words []string
	if v.Penalty > 0 {
		words = append(words, fmt.Sprintf("penalty %d", v.Penalty))
	}
	if v.Next.After(now) {
		words = append(words, "changes by itself in "+age(now, v.Next))
	}
	return strings.Join(words, ", ")
}

// writeChecks draws the checks, each with its last results.
func writeChecks(w io.Writer, all []status.Check, now time.Time) {
	if len(all) == 0 {
		return
	}
	var rows [][]string
	for _, c := range all {
		since := ""
		if !c.Since.IsZero() {
			since = "for " + age(c.Since, now)
		}
		rows = append(rows, []string{c.Name, c.Kind + " " + c.Target, c.State, since, c.Recent, c.Output})
	}
	fmt.Fprintln(w, "\nchecks")
	for _, line := range columns(rows) {
		fmt.Fprintln(w, "  "+line)
	}
}

// ofVIP tells whether a check's problem concerns a VIP.
func ofVIP(p status.Problem, checks []string) bool {
	name, is := strings.CutPrefix(p.Object, "check ")
	return !is || slices.Contains(checks, name)
}

// Package health asks services whether they work: it runs checks, and counts
// their results up to a decision.
package health

import (
	"strings"
	"time"
)

// State is what is believed of a check's subject.
type State string

// The states of a check.
const (
	Unknown State = "unknown" // not decided yet: too few results since it began
	Up      State = "up"
	Down    State = "down"
	// Broken: the check itself can't run, so nothing is known of its subject. It
	// counts as not up, and is told apart because another person mends it.
	Broken State = "broken"
)

// Outcome is one result, as one letter of a history.
type Outcome byte

// The outcomes of a check.
const (
	Good   Outcome = '+'
	Bad    Outcome = '-'
	NotRun Outcome = '!' // the check itself could not run
)

// Status is what is known of one check at one moment. It is not changed once
// it was handed out.
type Status struct {
	Name   string // as the config names it: "https" in [vip.web.check.https] is "web/https"
	Kind   string // "http", "tcp" ...
	Target string // what is asked, for people; holds no secret
	State  State
	Since  time.Time     // when State was entered
	At     time.Time     // when the last result came; zero before the first
	Took   time.Duration // how long the last result took
	Late   time.Duration // how long after its time the last run began
	Output string        // what the last result said, trimmed to one line
	// Weight is what the check brings in now: the configured weight while it is
	// up, otherwise 0; a check that reads a weight (kind file) brings that one.
	Weight int
	// Recent are the last outcomes, newest last.
	Recent []Outcome
}

// View is every check at one moment, by name. It is not changed once handed out.
type View map[string]Status

// History writes outcomes as text, newest last: "++-!".
func History(recent []Outcome) string {
	var s strings.Builder
	for _, o := range recent {
		s.WriteByte(byte(o))
	}
	return s.String()
}

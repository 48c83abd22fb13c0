package plugins

import "context"

// Inspector is what a network backend may be besides: one that knows the traps
// of its stack. Core asks it when a person runs a check.
type Inspector interface {
	// Inspect tells what on this host keeps want from working, or may later:
	// an address of want in somebody else's file, a file that the stack does
	// not read, a version with a bug. It changes nothing.
	Inspect(ctx context.Context, want []VIP) ([]Finding, error)
}

// SpeakerInspector is what a BGP backend may be besides: one that knows the
// traps of its speaker.
type SpeakerInspector interface {
	// InspectSpeaker tells what keeps want from working, or may later: a setting
	// of the operator's, a neighbour or a route that somebody else has given the
	// speaker. It changes nothing.
	InspectSpeaker(ctx context.Context, want Speaker) ([]Finding, error)
}

// Severity tells how bad a finding is.
type Severity string

// The severities, worst first.
const (
	SeverityProblem Severity = "problem" // it can't work
	SeverityWarning Severity = "warning" // it fails under some condition that is common
	SeverityNote    Severity = "note"    // worth knowing
)

// Code names a kind of finding, for programs: "ifupdown-source". It stays when
// the words for people change.
type Code string

// Finding is one trap, with its fix.
type Finding struct {
	Code     Code
	Severity Severity
	Object   string // for people: "vip web", "link eth0", a program's name
	// Path and Line are where it stands, when it stands in a file; Line counts
	// from 1, and is 0 when it is about the file as a whole.
	Path    string
	Line    int
	Message string // the cause, in one line
	Hint    string // the fix, in one line
}

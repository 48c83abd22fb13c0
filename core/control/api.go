// Package control is the way into a running daemon: HTTP and JSON over a unix
// socket that only its owner and group can open.
package control

import (
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/plugins"
)

// Kind says what sort of failure an Error is, and so how a command exits.
type Kind string

// The kinds of failure.
const (
	KindFailed  Kind = "failed"  // it was tried and did not work
	KindConfig  Kind = "config"  // the config or the request is wrong
	KindRefused Kind = "refused" // not permitted, not ours, nobody there
)

// Error is a failure as it crosses the socket.
type Error struct {
	Kind     Kind             `json:"kind"`
	Message  string           `json:"message"`
	Findings []config.Finding `json:"findings,omitempty"` // where in the config, if there
}

func (e *Error) Error() string { return e.Message }

// DrainRequest asks that VIPs be served elsewhere.
type DrainRequest struct {
	VIPs []string `json:"vips"` // none: all
	// For is how long, in Go's notation ("1h30m"); empty means until undrained.
	For    string `json:"for,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// UndrainRequest takes drains back.
type UndrainRequest struct {
	VIPs []string `json:"vips"` // none: all
}

// FailbackRequest asks that VIPs be announced as their role says as soon as they
// are healthy.
type FailbackRequest struct {
	VIPs []string `json:"vips"` // none: all
}

// Reloaded is the answer to a reload.
type Reloaded struct {
	Generation int              `json:"generation"`
	Warnings   []config.Finding `json:"warnings"`
	Notes      []string         `json:"notes,omitempty"` // what happens now that people should know
}

// ApplyRequest asks that the config on disk be taken over and checked.
type ApplyRequest struct {
	// Wait is how long it may take until host and speaker hold it, in Go's notation.
	Wait string `json:"wait"`
	// Confirm is how long it is on trial; empty: it is in force for good.
	Confirm string `json:"confirm,omitempty"`
}

// Applied is the answer to it.
type Applied struct {
	Generation int              `json:"generation"`
	Converged  bool             `json:"converged"` // host and speaker hold it
	VIPs       int              `json:"vips"`
	Until      time.Time        `json:"until,omitzero"` // when it is rolled back unless it is confirmed
	Warnings   []config.Finding `json:"warnings"`
	Notes      []string         `json:"notes,omitempty"` // as in Reloaded
}

// MinTrial and MaxTrial bound how long a config can be on trial: less is too
// short for a person, and a longer one is forgotten.
const (
	MinTrial = 5 * time.Second
	MaxTrial = time.Hour
)

// CheckTrial tells what is wrong with the duration of a trial.
func CheckTrial(d time.Duration) error {
	if d < MinTrial || d > MaxTrial || d%time.Second != 0 {
		return &Error{Kind: KindConfig, Message: "confirm: want whole seconds from 5s to 1h, like 60s"}
	}
	return nil
}

// Diff is what the config on disk would change.
type Diff struct {
	Network []Step `json:"network"`
	BGP     []Step `json:"bgp"`
}

// Empty reports whether nothing would change.
func (d Diff) Empty() bool { return len(d.Network)+len(d.BGP) == 0 }

// Step is one change of a Diff.
type Step struct {
	Verb   string `json:"verb"`
	Object string `json:"object"`
	Diff   string `json:"diff"`
}

// Steps turns a backend's plan into its JSON form.
func Steps(p plugins.Plan) []Step {
	steps := []Step{}
	for _, s := range p.Steps {
		steps = append(steps, Step(s))
	}
	return steps
}

// The limits of what a client may send, and how long it may take.
const (
	maxBody       = 1 << 20
	maxHeader     = 16 << 10
	maxConns      = 64
	headerTimeout = 5 * time.Second
	writeTimeout  = 10 * time.Second
	maxReason     = 500 // bytes
	maxPath       = 107 // bytes of a socket's path, unix(7)
)

// Package status is the daemon's view of itself: one immutable value, whose
// JSON form is a contract. Fields are only ever added.
package status

import (
	"time"
)

// State is what became of a VIP's announcement.
type State string

// The states of a VIP.
const (
	Announced State = "announced" // at least one peer was told
	Withdrawn State = "withdrawn" // no peer is told, for the reason in Why
	Pending   State = "pending"   // it shall be announced, and is not yet
	Failed    State = "failed"    // it shall be announced, and an error is in the way
	Drained   State = "drained"   // a person asked for it
)

// Status is everything that can be said at one moment.
type Status struct {
	Version string    `json:"version"`
	Since   time.Time `json:"since"` // when the daemon started
	// Generation counts the configurations accepted so far, the first being 1.
	Generation int `json:"generation"`
	// Converged: backends hold what this generation wants, and none has work to do.
	Converged bool `json:"converged"`
	// Stopped: the daemon has said goodbye to the peers, and ends.
	Stopped bool `json:"stopped,omitempty"`
	// ConfirmBy is when this config is rolled back unless it is confirmed; not
	// there when it is in force for good.
	ConfirmBy time.Time `json:"confirm_by,omitzero"`
	Network   Network   `json:"network"`
	BGP       BGP       `json:"bgp"`
	VIPs      []VIP     `json:"vips"`     // by name
	Peers     []Peer    `json:"peers"`    // by name
	Problems  []Problem `json:"problems"` // by object
	// Backends are the backends in use, with the processes they run in.
	Backends []Backend `json:"backends"`
	// Checks are the health checks, by name.
	Checks []Check `json:"checks,omitempty"`
	// Restart is what a restart of the daemon would do now.
	Restart *Restart `json:"restart,omitempty"`
}

// Restart is what becomes of the routes in a restart.
type Restart struct {
	// KeepsRoutes: no peer loses a route, so that no traffic moves.
	KeepsRoutes bool   `json:"keeps_routes"`
	Why         string `json:"why"`
}

// Network is the network backend in use.
type Network struct {
	Backend string `json:"backend"`
	Why     string `json:"why"` // why it was chosen, and what to know of it
}

// BGP is the speaker in use.
type BGP struct {
	Backend  string `json:"backend"`
	ASN      uint32 `json:"asn"`
	RouterID string `json:"router_id"`
}

// Backend is one process of a backend.
type Backend struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"` // "network" or "bgp"
	Version string `json:"version"`
	API     int    `json:"api"` // the version of the plugin contract that it speaks
	PID     int    `json:"pid"` // 0 while there is none
	// Isolated: it has a process of its own, and is started again when that ends.
	Isolated bool `json:"isolated"`
	// User is whom it runs as, if not as the daemon; UserWhy, why it is not
	// "stentor", where it should be.
	User    string `json:"user"`
	UserWhy string `json:"user_why,omitempty"`
	// Powerless: it has no capabilities (capabilities(7)).
	Powerless bool      `json:"powerless"`
	Since     time.Time `json:"since,omitzero"` // of the present process, if it is its own
	Restarts  int       `json:"restarts"`
	LastEnd   string    `json:"last_end"` // how the process before it ended
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Peer is set where one peer has a process for itself, as what it sent
	// ended the one of all.
	Peer string `json:"peer,omitempty"`
}

// VIP is one shared IP.
type VIP struct {
	Name     string    `json:"name"`
	Address  string    `json:"address"`  // as it stands on the host
	Announce string    `json:"announce"` // the prefix that peers are told
	Role     string    `json:"role"`
	State    State     `json:"state"`
	Why      string    `json:"why"`     // one sentence; empty when there is nothing to explain
	Since    time.Time `json:"since"`   // when State was entered
	OnHost   bool      `json:"on_host"` // the kernel says so
	// Adopted: something else puts it on the host, and it stays when we go.
	Adopted bool `json:"adopted,omitempty"`
	// AnnouncedTo are the peers that were told and not told otherwise since.
	AnnouncedTo []string `json:"announced_to"`
	// Peers is how many peers shall be told.
	Peers int `json:"peers"`
	// Checks are the names of the checks that decide on it.
	Checks []string `json:"checks,omitempty"`
	// Health is what its checks say together: "up", "down" or "unknown"; empty
	// when it has none.
	Health string `json:"health,omitempty"`
	// Demoted: announced less attractively than its role says, so that another
	// host is preferred where there is one.
	Demoted bool `json:"demoted,omitempty"`
	// Penalty is what its flaps have cost so far; it halves with time.
	Penalty int `json:"penalty,omitempty"`
	// Next is when time alone changes its state; not there if it never does.
	Next time.Time `json:"next,omitzero"`
}

// Check is one health check.
type Check struct {
	Name   string    `json:"name"` // "web/https" for one of a VIP's own, "dns" for a shared one
	Kind   string    `json:"kind"`
	Target string    `json:"target"`
	State  string    `json:"state"` // "up", "down", "unknown", or "broken": it can't run
	Since  time.Time `json:"since"` // when State was entered
	At     time.Time `json:"at,omitzero"`
	TookMS float64   `json:"took_ms"`
	Output string    `json:"output"` // what the last result said, one line
	Weight int       `json:"weight"` // what it brings in now
	Recent string    `json:"recent"` // outcomes, newest last: + good, - bad, ! could not run
	VIPs   []string  `json:"vips"`   // which VIPs it decides on
}

// Peer is one BGP session.
type Peer struct {
	Name      string    `json:"name"`
	Address   string    `json:"address"`
	ASN       uint32    `json:"asn"`
	State     string    `json:"state"` // RFC 4271 §8.2.2, lower case
	Since     time.Time `json:"since"`
	Announced int       `json:"announced"`  // prefixes that this peer was told
	Received  int       `json:"received"`   // routes that it sends us; all are dropped
	LastError string    `json:"last_error"` // why the last session ended, or none comes up
	// GracefulRestart: the session was opened with it by both ends, so the peer
	// keeps our routes while the speaker restarts (RFC 4724).
	GracefulRestart bool `json:"graceful_restart,omitempty"`
	// BFD is the BFD session beside it; not there if there is none, or the
	// backend does not know of it.
	BFD *BFD `json:"bfd,omitempty"`
}

// BFD is one BFD session.
type BFD struct {
	State    string    `json:"state"` // RFC 5880 §4.1, lower case: "admin-down", "down", "init", "up"
	Since    time.Time `json:"since"`
	DetectMS int64     `json:"detect_ms"` // how long the peer may be silent
	// LateMS is by how much this host was late for a timer, at most, within the
	// last minutes. One that comes near detect_ms makes sessions flap.
	LateMS int64  `json:"late_ms"`
	Why    string `json:"why,omitempty"` // why it is not up
}

// Problem is something that a person should look at.
type Problem struct {
	Object  string    `json:"object"`         // "vip web", "peer rs1", "network", "bgp"
	Kind    string    `json:"kind,omitempty"` // Drift, or empty
	Message string    `json:"message"`
	Hint    string    `json:"hint"` // what to do about it; may be empty
	Since   time.Time `json:"since"`
}

// Drift is a Problem's Kind: the host is not as we made it, and somebody else
// changed it.
const Drift = "drift"

// Healthy reports whether all is as configured: every VIP is announced to all
// its peers, as its role says, or drained on purpose, and nothing stands under
// Problems.
func (s *Status) Healthy() bool {
	for _, v := range s.VIPs {
		if v.State != Drained && (v.State != Announced || v.Demoted || len(v.AnnouncedTo) < v.Peers) {
			return false
		}
	}
	return len(s.Problems) == 0
}

// Package history tells what changed and why: events between two snapshots,
// kept in a bounded log that survives restarts.
package history

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Event is one change. Its JSON is a contract: fields are only ever added.
type Event struct {
	Seq uint64    `json:"seq"` // counts up by one, over restarts too; a gap is what was lost
	At  time.Time `json:"time"`
	// Object is what changed: "vip web", "peer rs1", "check web/https",
	// "backend gobgp", "network", "bgp", "config", "daemon" or "history".
	Object string `json:"object"`
	From   string `json:"from"` // empty: it is new
	To     string `json:"to"`   // empty: it is gone; else its first word is the state
	Why    string `json:"why"`
	// Output is what the check said that decided, trimmed.
	Output string `json:"output,omitempty"`
}

// Kind is the sort of object: "vip", "peer", "check" ...
func (e Event) Kind() string { kind, _, _ := strings.Cut(e.Object, " "); return kind }

// Name is the object without its kind; empty for those that there is one of.
func (e Event) Name() string { _, name, _ := strings.Cut(e.Object, " "); return name }

// State is the state that was entered, as one word: "announced", "down"; "gone"
// for an object that is no more.
func (e Event) State() string { return stateOf(e.To) }

// Entered reports whether the state is another one than before, as opposed to
// a detail of it.
func (e Event) Entered() bool { return e.From == "" || stateOf(e.From) != stateOf(e.To) }

func stateOf(text string) string {
	word, _, _ := strings.Cut(text, " ")
	if word == "" {
		return "gone"
	}
	return strings.TrimSuffix(word, ",")
}

// Concerns reports whether e tells of object. Of a VIP tell its own checks too.
func (e Event) Concerns(object string) bool {
	if object == "" || e.Object == object {
		return true
	}
	vip, ok := strings.CutPrefix(object, "vip ")
	return ok && strings.HasPrefix(e.Object, "check "+vip+"/")
}

const (
	maxText   = 512 // bytes of From, To and Why, which can quote a peer
	maxOutput = 1024
)

// trimmed bounds what others had a say in, so that an event is always small.
func (e Event) trimmed() Event {
	e.Object, e.From, e.To, e.Why = trim(e.Object, maxText), trim(e.From, maxText), trim(e.To, maxText), trim(e.Why, maxText)
	e.Output = trim(e.Output, maxOutput)
	return e
}

// trim cuts s to at most limit bytes of valid UTF-8.
func trim(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	const mark = "…"
	end := limit - len(mark)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

// States are the words that State can give, by kind. Those of a problem's
// object that has no state of its own are "problem" and "ok".
func States() map[string][]string {
	problem := []string{"problem", "ok"}
	return map[string][]string{
		"vip":     append([]string{"announced", "demoted", "withdrawn", "pending", "failed", "drained", "gone"}, problem...),
		"peer":    {"idle", "connect", "active", "opensent", "openconfirm", "established", "gone"},
		"check":   {"up", "down", "unknown", "broken", "gone"},
		"backend": {"running", "down", "gone"},
		"network": problem, "bgp": problem, "history": append([]string{"resumed"}, problem...), "http": problem,
		"config": append([]string{"generation"}, problem...), "daemon": append([]string{"started", "stopped"}, problem...),
	}
}

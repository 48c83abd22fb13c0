package bird

import (
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// notes remember since when things are as they are, where BIRD does not tell.
type notes struct {
	now   func() time.Time
	peers map[string]note
}

type note struct {
	state       plugins.SessionState
	since       time.Time
	tryingSince time.Time // without an established session
	word        string    // BIRD's own "since"
	failing     bool      // err was told at the last look
	err         string
	errorAt     time.Time
}

func newNotes(now func() time.Time) notes { return notes{now, map[string]note{}} }

// silence is how long a session may be in the making before it is said that
// there is no answer. A wrong TCP-MD5 key looks like this: the far kernel drops
// what we send, and BIRD notices nothing.
const silence = 10 * time.Second

// take notes what was seen of a peer now, and gives since when. word is BIRD's
// own time, in the format that the operator has chosen; err is what it has to
// say of the last session, which it forgets when the next one comes up.
func (n notes) take(peer string, state plugins.SessionState, word, err string) (since time.Time, lastError string, errorAt time.Time) {
	now := n.now()
	x, known := n.peers[peer]
	up := state == plugins.StateEstablished
	if !known || x.state != state || x.word != word {
		if !known || up || x.state == plugins.StateEstablished {
			x.tryingSince = now
		}
		x.state, x.word, x.since = state, word, now
		if t, ok := parseTime(word, now); ok && up {
			x.since = t
		}
	}
	if err == "" && !up && now.Sub(x.tryingSince) >= silence {
		err = noAnswer
	}
	if err != "" && (err != x.err || !x.failing) {
		x.err, x.errorAt = err, now
	}
	x.failing = err != ""
	// What BIRD still tells of an established session is older than that.
	if up && x.err != "" && !x.errorAt.Before(x.since) {
		x.errorAt = x.since.Add(-time.Nanosecond)
	}
	n.peers[peer] = x
	return x.since, x.err, x.errorAt
}

const noAnswer = "no answer from the peer: check that it knows this host as a neighbor, and that both sides have the same password"

// parseTime reads a time of `show protocols` in one of the formats that BIRD
// has by name (timeformat in its manual). One that the operator has composed,
// and a date without a time, say too little.
func parseTime(word string, now time.Time) (time.Time, bool) {
	for _, layout := range []string{time.DateTime, "2006-01-02 15:04:05.999999999"} {
		if t, err := time.ParseInLocation(layout, word, now.Location()); err == nil {
			return t, true
		}
	}
	t, err := time.ParseInLocation("15:04:05.999999999", word, now.Location())
	if err != nil {
		return time.Time{}, false
	}
	// The time of day alone stands for the last 20 hours.
	t = time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), now.Location())
	if t.After(now.Add(time.Second)) {
		t = t.AddDate(0, 0, -1)
	}
	return t, true
}

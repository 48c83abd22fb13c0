package status

import (
	"fmt"
	"strings"
	"time"
)

// Event is one change between two snapshots.
type Event struct {
	Time   time.Time `json:"time"`
	Object string    `json:"object"` // "vip web", "peer rs1", "config"
	From   string    `json:"from"`   // empty: it is new
	To     string    `json:"to"`     // empty: it is gone
	Why    string    `json:"why"`
}

// Changes tells what moved from old to cur: states, how many peers are told, and
// the processes of backends. now becomes the events' time where the snapshot has none.
func Changes(old, cur *Status, now time.Time) []Event {
	var events []Event
	add := func(e Event) {
		if e.From != e.To {
			events = append(events, e)
		}
	}
	if old.Generation != cur.Generation {
		add(Event{Time: now, Object: "config", From: fmt.Sprintf("generation %d", old.Generation), To: fmt.Sprintf("generation %d", cur.Generation)})
	}
	gone := map[string]string{}
	for _, v := range old.VIPs {
		gone["vip "+v.Name] = vipWord(v)
	}
	for _, p := range old.Peers {
		gone["peer "+p.Name] = p.State
	}
	for _, b := range old.Backends {
		gone[backendName(b)] = backendWord(b)
	}
	take := func(object string) string {
		was := gone[object]
		delete(gone, object)
		return was
	}
	for _, v := range cur.VIPs {
		add(Event{Time: now, Object: "vip " + v.Name, From: take("vip " + v.Name), To: vipWord(v), Why: v.Why})
	}
	for _, p := range cur.Peers {
		add(Event{Time: p.Since, Object: "peer " + p.Name, From: take("peer " + p.Name), To: p.State, Why: p.LastError})
	}
	for _, b := range cur.Backends {
		why, _, _ := strings.Cut(b.LastEnd, "\n")
		add(Event{Time: now, Object: backendName(b), From: take(backendName(b)), To: backendWord(b), Why: why})
	}
	for _, v := range old.VIPs {
		if was, ok := gone["vip "+v.Name]; ok {
			add(Event{Time: now, Object: "vip " + v.Name, From: was, Why: "no longer in the config"})
		}
	}
	for _, p := range old.Peers {
		if was, ok := gone["peer "+p.Name]; ok {
			add(Event{Time: now, Object: "peer " + p.Name, From: was, Why: "no longer in the config"})
		}
	}
	return events
}

func backendName(b Backend) string {
	if b.Peer != "" {
		return "backend " + b.Name + " for " + b.Peer
	}
	return "backend " + b.Name
}

func backendWord(b Backend) string {
	if b.PID == 0 {
		return "down"
	}
	return fmt.Sprintf("pid %d", b.PID)
}

func vipWord(v VIP) string {
	return fmt.Sprintf("%s %s %d/%d peers", v.Role, v.State, len(v.AnnouncedTo), v.Peers)
}

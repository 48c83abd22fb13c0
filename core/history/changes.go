package history

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/core/status"
)

// Changes tells what moved from old to cur, which was published at now. A nil
// old is what was before the daemon began: nothing.
//
// It runs within the loop on every snapshot, with thousands of VIPs of which
// few moved: nothing is put into words before it is known to differ.
func Changes(old, cur *status.Status, now time.Time) []Event {
	c := &changes{now: now}
	if old == nil {
		old = &status.Status{}
		c.add(Event{Object: "daemon", To: "started", Why: "version " + cur.Version})
	}
	// Causes first.
	c.config(old, cur)
	status.Merge(backends(old), backends(cur), backendName, c.backend)
	status.Merge(old.Peers, cur.Peers, func(p *status.Peer) string { return p.Name }, c.peer)
	status.Merge(old.Checks, cur.Checks, func(k *status.Check) string { return k.Name }, c.check)
	c.verdicts(cur.Checks)
	status.Merge(old.VIPs, cur.VIPs, func(v *status.VIP) string { return v.Name }, c.vip)
	c.problems(old.Problems, cur.Problems)
	if cur.Stopped && !old.Stopped {
		c.add(Event{Object: "daemon", From: "started", To: "stopped", Why: leftBehind(cur)})
	}
	return c.events
}

// notConfigured is why something is gone.
const notConfigured = "no longer in the config"

// changes gathers events.
type changes struct {
	now    time.Time
	events []Event
	failed map[string]*status.Check // checks that are not up, by name
}

func (c *changes) add(e Event) {
	if e.At.IsZero() {
		e.At = c.now
	}
	c.events = append(c.events, e)
}

func (c *changes) config(old, cur *status.Status) {
	if old.Generation != cur.Generation {
		e := Event{Object: "config", To: fmt.Sprintf("generation %d", cur.Generation)}
		if old.Generation != 0 {
			e.From = fmt.Sprintf("generation %d", old.Generation)
		}
		c.add(e)
	}
	if old.BGP.Backend != cur.BGP.Backend && old.BGP.Backend != "" {
		c.add(Event{Object: "bgp", From: old.BGP.Backend, To: cur.BGP.Backend, Why: "the config names another backend"})
	}
}

func (c *changes) check(old, cur *status.Check) {
	switch {
	case cur == nil:
		c.add(Event{Object: "check " + old.Name, From: old.State, Why: notConfigured})
	case old == nil:
		c.add(Event{At: cur.Since, Object: "check " + cur.Name, To: cur.State, Why: streak(*cur), Output: cur.Output})
	case old.State != cur.State:
		c.add(Event{At: cur.Since, Object: "check " + cur.Name, From: old.State, To: cur.State, Why: streak(*cur), Output: cur.Output})
	}
}

// streak says what decided on a check's state: its last results.
func streak(k status.Check) string {
	if k.Recent == "" {
		return ""
	}
	last := k.Recent[len(k.Recent)-1:]
	n := len(k.Recent) - len(strings.TrimRight(k.Recent, last))
	what := map[string]string{"+": "good", "-": "bad", "!": "no result, as it could not run"}[last]
	if n == 1 {
		return "the last result: " + what
	}
	return fmt.Sprintf("the last %d results: %s", n, what)
}

// verdicts remembers the checks that VIPs can be down for.
func (c *changes) verdicts(checks []status.Check) {
	c.failed = map[string]*status.Check{}
	for i, k := range checks {
		if k.State != "up" {
			c.failed[k.Name] = &checks[i]
		}
	}
}

func (c *changes) vip(old, cur *status.VIP) {
	switch {
	case cur == nil:
		c.add(Event{Object: "vip " + old.Name, From: vipWords(old), Why: notConfigured})
	case old == nil:
		c.add(Event{Object: "vip " + cur.Name, To: vipWords(cur), Why: cur.Why, Output: c.output(cur)})
	case old.State != cur.State || old.Role != cur.Role || old.Demoted != cur.Demoted || old.Peers != cur.Peers || len(old.AnnouncedTo) != len(cur.AnnouncedTo):
		c.add(Event{Object: "vip " + cur.Name, From: vipWords(old), To: vipWords(cur), Why: cur.Why, Output: c.output(cur)})
	}
}

// output is what the first of a VIP's checks says that is not up.
func (c *changes) output(v *status.VIP) string {
	for _, name := range v.Checks {
		if k := c.failed[name]; k != nil && k.Output != "" {
			return k.Name + ": " + k.Output
		}
	}
	return ""
}

// vipWords begins with the state. One that is announced less attractively than
// its role says is "demoted".
func vipWords(v *status.VIP) string {
	state := string(v.State)
	if v.Demoted && v.State == status.Announced {
		state = "demoted"
	}
	return fmt.Sprintf("%s as %s, %d/%d peers", state, v.Role, len(v.AnnouncedTo), v.Peers)
}

func (c *changes) peer(old, cur *status.Peer) {
	switch {
	case cur == nil:
		c.add(Event{Object: "peer " + old.Name, From: old.State, Why: notConfigured})
	case old == nil:
		c.add(Event{At: cur.Since, Object: "peer " + cur.Name, To: cur.State, Why: cur.LastError})
	case old.State != cur.State && cur.State == "established":
		c.add(Event{At: cur.Since, Object: "peer " + cur.Name, From: old.State, To: cur.State})
	case old.State != cur.State:
		c.add(Event{At: cur.Since, Object: "peer " + cur.Name, From: old.State, To: cur.State, Why: cur.LastError})
	case cur.State == "established" && !old.Since.Equal(cur.Since): // lost and back between two looks
		c.add(Event{At: cur.Since, Object: "peer " + cur.Name, From: old.State, To: "established again", Why: cur.LastError})
	}
}

// backends are the processes; what runs within the daemon has no life of its own.
func backends(s *status.Status) []status.Backend {
	return slices.DeleteFunc(slices.Clone(s.Backends), func(b status.Backend) bool { return !b.Isolated })
}

func (c *changes) backend(old, cur *status.Backend) {
	switch {
	case cur == nil:
		c.add(Event{Object: "backend " + backendName(old), From: backendWords(old), Why: "no longer in use"})
	case old == nil:
		c.add(Event{Object: "backend " + backendName(cur), To: backendWords(cur)})
	case old.PID != cur.PID:
		why, _, _ := strings.Cut(cur.LastEnd, "\n")
		c.add(Event{Object: "backend " + backendName(cur), From: backendWords(old), To: backendWords(cur), Why: why})
	}
}

func backendName(b *status.Backend) string {
	if b.Peer != "" {
		return b.Name + " for " + b.Peer
	}
	return b.Name
}

func backendWords(b *status.Backend) string {
	if b.PID == 0 {
		return "down"
	}
	return fmt.Sprintf("running as pid %d", b.PID)
}

// problems tells those that no state of a peer or a check stands for already.
func (c *changes) problems(old, cur []status.Problem) {
	had, has := messages(old), messages(cur)
	objects := map[string]bool{}
	for _, p := range slices.Concat(old, cur) {
		if objects[p.Object] || strings.HasPrefix(p.Object, "peer ") || strings.HasPrefix(p.Object, "check ") {
			continue
		}
		objects[p.Object] = true
		from := "ok"
		if len(had[p.Object]) > 0 {
			from = "problem"
		}
		for _, m := range has[p.Object] {
			if !slices.Contains(had[p.Object], m) {
				c.add(Event{Object: p.Object, From: from, To: "problem", Why: m})
			}
		}
		if len(has[p.Object]) == 0 {
			c.add(Event{Object: p.Object, From: "problem", To: "ok", Why: "no longer: " + had[p.Object][0]})
		}
	}
}

// leftBehind says what the peers still have when the daemon is gone.
func leftBehind(s *status.Status) string {
	n := 0
	for _, v := range s.VIPs {
		if len(v.AnnouncedTo) > 0 {
			n++
		}
	}
	if n == 0 {
		return "every route was withdrawn"
	}
	return fmt.Sprintf("%d of %d VIPs are still announced", n, len(s.VIPs))
}

func messages(problems []status.Problem) map[string][]string {
	all := map[string][]string{}
	for _, p := range problems {
		all[p.Object] = append(all[p.Object], p.Message)
	}
	return all
}

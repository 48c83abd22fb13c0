package hooks

import (
	"slices"
	"strings"

	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/status"
)

// The priorities that notify scripts are told, as they stand in most of
// keepalived's examples.
const (
	priorityPrimary   = "100"
	prioritySecondary = "50"
)

// vrrp turns events into the calls that keepalived makes: one for each VIP that
// enters another of its states. The arguments are those of a notify script
// (keepalived.conf(5)): type, name, state, priority.
func (h *hook) vrrp(events []history.Event, s *status.Status) []call {
	var calls []call
	tell := func(e history.Event, vip, state, priority string) {
		if h.told[vip] == state {
			return
		}
		h.told[vip] = state
		calls = append(calls, call{event: e, args: []string{"INSTANCE", vip, state, priority}})
	}
	// That every route is withdrawn at the end is what STOP says.
	if i := slices.IndexFunc(events, func(e history.Event) bool { return e.Kind() == "daemon" && e.State() == "stopped" }); i >= 0 {
		for _, v := range s.VIPs {
			tell(events[i], v.Name, "STOP", priority(v.Role))
		}
		return calls
	}
	for _, e := range events {
		if e.Kind() != "vip" || !wanted(h.config.On, e) {
			continue
		}
		role := ""
		if i, ok := slices.BinarySearchFunc(s.VIPs, e.Name(), func(v status.VIP, name string) int { return strings.Compare(v.Name, name) }); ok {
			role = s.VIPs[i].Role
		}
		if state := vrrpState(e.State(), role); state != "" {
			tell(e, e.Name(), state, priority(role))
		}
	}
	return calls
}

// vrrpState is what keepalived would call a VIP in this state; empty for what
// it knows no word for.
func vrrpState(state, role string) string {
	switch state {
	case "announced":
		if role == "primary" {
			return "MASTER"
		}
		return "BACKUP"
	case "demoted", "drained", "pending":
		return "BACKUP"
	case "withdrawn", "failed":
		return "FAULT"
	case "gone":
		return "DELETED"
	default:
		return ""
	}
}

func priority(role string) string {
	if role == "primary" {
		return priorityPrimary
	}
	return prioritySecondary
}

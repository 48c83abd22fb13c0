package reconcile

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/status"
)

// checks tells what each check found, and which VIPs it decides on.
func checks(cfg *config.Config, view health.View) []status.Check {
	vips := map[string][]string{}
	for _, v := range cfg.VIPs {
		for _, c := range v.Checks {
			vips[c] = append(vips[c], v.Name)
		}
	}
	var all []status.Check
	for _, name := range slices.Sorted(maps.Keys(view)) {
		c := view[name]
		all = append(all, status.Check{
			Name: name, Kind: c.Kind, Target: c.Target, State: string(c.State), Since: c.Since, At: c.At,
			TookMS: float64(c.Took) / float64(time.Millisecond), Output: c.Output, Weight: c.Weight,
			Recent: health.History(c.Recent), VIPs: append([]string{}, vips[name]...),
		})
	}
	return all
}

// lookAt says how a person sees for themselves what a check saw.
func lookAt(c status.Check) string {
	command := map[string]string{
		"http": "curl -v " + c.Target, "icmp": "ping " + c.Target, "exec": c.Target, "file": "ls -l " + c.Target,
		"process": "pgrep -a " + c.Target, "unit": "systemctl status " + c.Target, "interface": "ip link show " + c.Target,
	}[c.Kind]
	if command == "" {
		return "it asks for " + c.Kind + " " + c.Target
	}
	return "see on this host: " + command
}

// healthProblems are the checks that are not up, and the VIPs that wait for a
// person though they could be served here.
func (l *Loop) healthProblems(cfg *config.Config, all []status.Check, want Desired) []status.Problem {
	var problems []status.Problem
	for _, c := range all {
		switch health.State(c.State) {
		case health.Down:
			problems = append(problems, status.Problem{Object: "check " + c.Name, Message: cmp.Or(c.Output, "no result yet"), Hint: lookAt(c)})
		case health.Broken:
			problems = append(problems, status.Problem{Object: "check " + c.Name, Message: "the check can't run, so it counts as not up: " + c.Output,
				Hint: "it says nothing of the service: see to the check"})
		}
	}
	for _, v := range cfg.VIPs {
		if verdict := want.Verdicts[v.Name]; verdict.Latched && verdict.Health != health.Down {
			problems = append(problems, status.Problem{Object: "vip " + v.Name,
				Message: "it was unhealthy, and another host is preferred since (preempt = false)", Hint: "to take it back: stentor failback " + v.Name})
		}
	}
	if err := l.Latches.failure(); err != nil {
		problems = append(problems, status.Problem{Object: "daemon", Message: "which VIPs wait for a failback can't be kept over a restart: " + sentence(err), Hint: hint(err)})
	}
	return problems
}

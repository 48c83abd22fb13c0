package policy

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
)

// Summary is what the checks of a VIP say together.
type Summary struct {
	// State is health.Up, Down or Unknown; empty for a VIP without checks.
	State health.State
	// Why names the checks that keep it from being up, and what they say.
	Why string
}

// Summarize counts the checks of v. One that is broken counts as not up: what
// can't be seen to work is not relied upon.
func Summarize(v config.VIP, view health.View) Summary {
	if len(v.Checks) == 0 {
		return Summary{}
	}
	var t tally
	for _, name := range v.Checks {
		t.add(name, view[name])
	}
	switch require := v.Require; {
	case require.Weight != 0:
		return t.judge(t.weight >= require.Weight, false, fmt.Sprintf("the weights come to %d of %d; ", t.weight, require.Weight), v.Name)
	case require.Any:
		return t.judge(t.up > 0, false, "", v.Name)
	default:
		return t.judge(t.up == len(v.Checks), len(t.failing) > 0, "", v.Name)
	}
}

// tally sorts the checks of one VIP by their state.
type tally struct {
	up, weight       int
	failing, unknown []health.Status
}

func (t *tally) add(name string, s health.Status) {
	t.weight += s.Weight
	switch s.Name = name; s.State {
	case health.Up:
		t.up++
	case health.Down, health.Broken:
		t.failing = append(t.failing, s)
	default:
		t.unknown = append(t.unknown, s)
	}
}

// judge gives the summary. lost: what is not known yet can't save it.
func (t *tally) judge(met, lost bool, sum, vip string) Summary {
	switch {
	case met:
		return Summary{State: health.Up}
	case len(t.unknown) == 0 || lost:
		return Summary{State: health.Down, Why: sum + t.cause(vip)}
	default:
		return Summary{State: health.Unknown, Why: sum + "waiting for the first results of " + list(t.unknown, vip)}
	}
}

// cause tells of the check that failed last, which tipped the scales.
func (t *tally) cause(vip string) string {
	if len(t.failing) == 0 {
		return "every check is up" // and their weights don't suffice
	}
	last := t.failing[0]
	for _, s := range t.failing[1:] {
		if s.Since.After(last.Since) {
			last = s
		}
	}
	text := short(last.Name, vip) + ": "
	if last.State == health.Broken {
		text += "the check can't run: "
	}
	text += cmp.Or(last.Output, "no result yet") // it began as down
	if n := len(t.failing) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	return text
}

// list names a few checks.
func list(all []health.Status, vip string) string {
	var names []string
	for _, s := range all[:min(len(all), 3)] {
		names = append(names, short(s.Name, vip))
	}
	if n := len(all) - len(names); n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), n)
	}
	return strings.Join(names, ", ")
}

// short is the name of a check as its VIP knows it.
func short(check, vip string) string { return strings.TrimPrefix(check, vip+"/") }

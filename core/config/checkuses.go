package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/core/health"
)

// gateUse is a check that waits for a VIP.
type gateUse struct {
	check string
	of    *vip // whose own check it is; nil: it is shared
	to    string
	at    *value
}

// requirement reads how many checks must be up: "all", "any", or a weight.
func requirement(r *report, v *value) (any, bool) {
	switch d := v.data.(type) {
	case string:
		switch d {
		case "all":
			return Require{}, true
		case "any":
			return Require{Any: true}, true
		}
	case int64:
		if d >= 1 && d <= maxChecks*254 {
			return Require{Weight: int(d)}, true
		}
	}
	r.fail(v.whole(), `"all", "any", or a number: what the weights of the checks that are up must come to`, "%s can't be %v", v.key, v.data)
	return nil, false
}

// useChecks finds the checks that decide on a VIP.
func (b *builder) useChecks(out *VIP, v *vip) {
	for _, n := range v.t.sub("check").subNames() {
		out.Checks = append(out.Checks, v.name+"/"+n)
	}
	shared := b.root.sub("check").subNames()
	names, at := get[[]string](v.t, "checks")
	for i, n := range names {
		if !slices.Contains(shared, n) && !b.partial {
			hint := didYouMean(n, shared)
			if slices.Contains(v.t.sub("check").subNames(), n) {
				hint = "leave it out: a VIP's own checks need not be named"
			} else if len(shared) == 0 {
				hint = fmt.Sprintf("write [check.%s]", n)
			}
			b.fail(at.elem(i, n).whole(), hint, "there is no check %q", n)
		}
		out.Checks = append(out.Checks, n)
	}
	b.require(out, v)
}

func (b *builder) require(out *VIP, v *vip) {
	require, at := get[Require](v.t, "require")
	if at == nil {
		return
	}
	out.Require = require
	if len(out.Checks) == 0 && !v.t.has("checks") {
		b.fail(at.name(), `write checks = ["NAME"], or [`+fmt.Sprintf("vip.%s.check.NAME]", v.name), "require has no checks to count")
		return
	}
	sum := 0
	for _, s := range b.cfg.Checks {
		if !slices.Contains(out.Checks, s.Name) {
			continue
		}
		if f, ok := s.Probe.(health.File); ok && f.FromWeight {
			return // nobody knows what it will say
		}
		sum += s.Weight
	}
	if require.Weight > sum && !b.partial && !b.failed {
		b.fail(at.whole(), "write less, or give the checks a larger weight", "require = %d is never met: the weights of its checks come to %d", require.Weight, sum)
	}
}

// unused warns of shared checks that decide nothing.
func (b *builder) unused() {
	all := b.root.sub("check")
	for _, n := range all.subNames() {
		if !b.partial && !slices.ContainsFunc(b.cfg.VIPs, func(v VIP) bool { return slices.Contains(v.Checks, n) }) {
			b.warn(all.sub(n).whole(), fmt.Sprintf(`write checks = [%q] in a [vip.NAME]`, n), "%s decides on no VIP", all.sub(n).label)
		}
	}
}

// checkGates refuses a VIP that waits, maybe through others, for itself: none of
// them would ever be announced.
func (b *builder) checkGates() {
	var names []string
	waits := map[string][]string{} // for which VIPs a VIP waits
	for _, v := range b.cfg.VIPs {
		names = append(names, v.Name)
		for _, g := range b.gates {
			if slices.Contains(v.Checks, g.check) {
				waits[v.Name] = append(waits[v.Name], g.to)
			}
		}
	}
	for _, g := range b.gates {
		if !slices.Contains(names, g.to) {
			if !b.partial && g.at != nil {
				b.fail(g.at.whole(), didYouMean(g.to, names), "there is no VIP %q", g.to)
			}
			continue
		}
		for _, v := range b.cfg.VIPs {
			if !slices.Contains(v.Checks, g.check) {
				continue
			}
			if way := path(waits, g.to, v.Name, map[string]bool{}); way != nil {
				b.fail(g.at.whole(), "one of them must be announced first", "%s waits for itself: %s", v.Name, strings.Join(append([]string{v.Name}, way...), " -> "))
				break
			}
		}
	}
}

// path gives a way from one VIP to another, both included, or nil.
func path(waits map[string][]string, from, to string, seen map[string]bool) []string {
	if from == to {
		return []string{to}
	}
	seen[from] = true
	for _, next := range waits[from] {
		if seen[next] {
			continue
		}
		if rest := path(waits, next, to, seen); rest != nil {
			return append([]string{from}, rest...)
		}
	}
	return nil
}

package frr

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// changes are the lines that lead from one piece to another, in the order in
// which they are executed.
type changes struct {
	withdraw script // routes; nothing may delay it
	leave    script // sessions; the peers must have been sent the withdrawal by then
	hold     script // everything that is new or different
	clean    script // what nothing refers to any more
}

// all is the changes as one script.
func (c changes) all() script {
	return slices.Concat(c.withdraw, c.leave, c.hold, c.clean)
}

// diff gives the lines that turn have into want.
func diff(have, want piece, t theirs) changes {
	if have.made && want.made && have.asn != want.asn { // an instance can't change its AS
		gone := diff(have, newPiece(), t)
		return changes{
			withdraw: gone.withdraw,
			leave:    slices.Concat(gone.leave, gone.hold, gone.clean),
			hold:     diff(newPiece(), want, t).all(),
		}
	}
	var c changes
	for _, x := range sorted(have.networks, netip.Prefix.Compare) {
		if _, keep := want.networks[x]; !keep {
			c.withdraw.in(have.asn, family(x), "no network "+x.String())
		}
	}
	again := map[netip.Addr]bool{} // neighbors that must be made anew
	for _, a := range sorted(have.peers, netip.Addr.Compare) {
		if w, keep := want.peers[a]; !keep || !sameGroup(have.peers[a], w) {
			c.leave.in(have.asn, "", "no neighbor "+a.String())
			again[a] = true
		}
	}
	for _, l := range sorted(want.globals, strings.Compare) {
		if _, set := have.globals[l]; !set {
			c.hold.share("%s", l)
		}
	}
	diffProfiles(&c, have, want)
	for _, x := range sorted(want.statics, netip.Prefix.Compare) {
		if !have.statics[x] {
			c.hold.share("%s", static(x))
		}
	}
	diffMaps(&c, have, want)
	diffInstance(&c, have, want, t)
	for _, g := range sorted(want.groups, strings.Compare) {
		diffNeighbor(&c.hold, want.asn, g, have.groups[g], want.groups[g])
	}
	for _, a := range sorted(want.peers, netip.Addr.Compare) {
		old := have.peers[a]
		if again[a] {
			old = nil
		}
		diffNeighbor(&c.hold, want.asn, a.String(), old, want.peers[a])
	}
	for _, x := range sorted(want.networks, netip.Prefix.Compare) {
		if have.networks[x] != want.networks[x] {
			c.hold.in(want.asn, family(x), "network "+x.String()+" route-map "+want.networks[x])
		}
	}
	return finish(c, have, want, t)
}

// finish adds what goes when nothing needs it any more.
func finish(c changes, have, want piece, t theirs) changes {
	for _, g := range sorted(have.groups, strings.Compare) {
		if _, keep := want.groups[g]; !keep {
			// FRR 7.5 takes the same with "peer-group" at its end for ambiguous.
			c.clean.in(have.asn, "", "no neighbor "+g)
		}
	}
	switch {
	case !have.made || want.made:
	case t.lines == 0:
		c.clean.add("no router bgp %d", have.asn)
	default:
		// Others use it now. Its router ID stays: another one would end their sessions.
		c.clean.in(have.asn, "", "no neighbor "+madeGroup)
	}
	for _, name := range sorted(have.maps, strings.Compare) {
		w, keep := want.maps[name]
		if !keep {
			if !have.strays[name] {
				c.clean.add("no route-map %s", name)
			}
			continue
		}
		for _, e := range have.maps[name] {
			if !slices.ContainsFunc(w, func(o entry) bool { return o.seq == e.seq }) {
				c.clean.add("no route-map %s %s %d", name, e.action, e.seq)
			}
		}
	}
	for _, name := range sorted(have.strays, strings.Compare) {
		if _, keep := want.maps[name]; !keep {
			c.clean.share("no route-map %s", name)
		}
	}
	for _, name := range sorted(have.profiles, strings.Compare) {
		if _, keep := want.profiles[name]; !keep {
			c.clean.share("bfd")
			c.clean.share(" no profile %s", name)
			c.clean.share("exit")
		}
	}
	if len(want.profiles) == 0 && len(have.profiles) > 0 && !t.bfd {
		// It would stay, empty. With a profile in it, bfdd of FRR 7.5 does not
		// survive the next `bfd`.
		c.clean.share("no bfd")
	}
	for _, x := range sorted(have.statics, netip.Prefix.Compare) {
		if !want.statics[x] {
			c.clean.share("no %s", static(x))
		}
	}
	for _, l := range sorted(have.globals, strings.Compare) {
		if _, keep := want.globals[l]; !keep && have.globals[l] != "" {
			c.clean.share("%s", have.globals[l])
		}
	}
	return c
}

func diffInstance(c *changes, have, want piece, t theirs) {
	if want.asn == 0 {
		return
	}
	if want.made && !have.made {
		c.hold.in(want.asn, "", "neighbor "+madeGroup+" peer-group")
	}
	if want.made && have.routerID != want.routerID {
		c.hold.in(want.asn, "", "bgp router-id "+want.routerID)
	}
}

func diffMaps(c *changes, have, want piece) {
	for _, name := range sorted(want.maps, strings.Compare) {
		for _, e := range want.maps[name] {
			i := slices.IndexFunc(have.maps[name], func(h entry) bool { return h.seq == e.seq })
			if i >= 0 && have.maps[name][i].equal(e) {
				continue
			}
			if i >= 0 { // cut off half-way, or edited by hand
				c.hold.add("no route-map %s %s %d", name, have.maps[name][i].action, e.seq)
			}
			c.hold.add("route-map %s %s %d", name, e.action, e.seq)
			for _, l := range e.lines {
				c.hold.add(" %s", l)
			}
			c.hold.add("exit")
		}
	}
}

func diffProfiles(c *changes, have, want piece) {
	for _, name := range sorted(want.profiles, strings.Compare) {
		if slices.Equal(have.profiles[name], want.profiles[name]) {
			continue
		}
		c.hold.share("bfd")
		c.hold.share(" profile %s", name)
		for _, l := range want.profiles[name] {
			c.hold.share("  %s", l)
		}
		c.hold.share(" exit")
		c.hold.share("exit")
	}
}

// diffNeighbor changes a neighbor or a peer-group. Lines of a kind that we
// never write, such as an operator's `shutdown`, are left alone.
func diffNeighbor(s *script, asn uint32, name string, have, want []statement) {
	neighbor := "neighbor " + name + " "
	wanted := map[statement]bool{} // their kinds
	for _, w := range want {
		wanted[statement{w.family, kindOf(w.text)}] = true
	}
	for _, h := range slices.Backward(have) {
		k := statement{h.family, kindOf(h.text)}
		if k.text != "" && !wanted[k] && !slices.Contains(want, h) {
			s.in(asn, h.family, "no "+neighbor+h.text)
		}
	}
	for _, w := range want {
		switch {
		case slices.Contains(have, w):
		case w.text == "":
			s.in(asn, "", "neighbor "+name+" peer-group")
		default:
			s.in(asn, w.family, neighbor+w.text)
		}
	}
}

// kinds are the starts of the lines that we write of a neighbor: a line takes
// the place of another one of its kind.
var kinds = []string{"peer-group ", "remote-as ", "description ", "password ", "ebgp-multihop", "ttl-security ", "update-source ",
	"timers connect ", "timers ", "bfd profile ", "bfd", "graceful-restart-disable", "capability extended-nexthop", "activate"}

func kindOf(text string) string {
	if w := strings.Fields(text); len(w) == 3 && w[0] == "route-map" {
		return "route-map " + w[2]
	}
	for _, k := range kinds {
		if strings.HasPrefix(text, k) {
			return k
		}
	}
	return ""
}

// sameGroup: a neighbor can't change its peer-group.
func sameGroup(have, want []statement) bool {
	return slices.Contains(have, want[0])
}

func family(x netip.Prefix) string {
	if x.Addr().Is4() {
		return families[0]
	}
	return families[1]
}

// static is a route that any other one for the prefix is preferred to.
func static(x netip.Prefix) string {
	verb := "ip"
	if x.Addr().Is6() {
		verb = "ipv6"
	}
	return fmt.Sprintf("%s route %s blackhole tag %d 254", verb, x, staticTag)
}

// sorted gives the keys of m in order.
func sorted[K comparable, V any](m map[K]V, order func(a, b K) int) []K {
	return slices.SortedFunc(maps.Keys(m), order)
}

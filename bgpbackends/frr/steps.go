package frr

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// The verbs of a plugins.Step.
const (
	verbAdd    = "add"
	verbChange = "change"
	verbRemove = "remove"
)

// steps tells the changes to people: what they care for by its name, and the
// lines that FRR is given.
func (j job) steps() []plugins.Step {
	all := j.changes.all()
	if len(all) == 0 {
		return nil
	}
	var steps []plugins.Step
	add := func(verb, object, diff string) {
		steps = append(steps, plugins.Step{Verb: verb, Object: object, Diff: diff})
	}
	for _, x := range sorted(j.have.networks, netip.Prefix.Compare) {
		if _, keep := j.target.networks[x]; !keep {
			add(verbRemove, "announcement "+x.String(), "")
		}
	}
	for _, a := range sorted(j.have.peers, netip.Addr.Compare) {
		if _, keep := j.target.peers[a]; !keep {
			add(verbRemove, "peer "+a.String(), "")
		}
	}
	for _, p := range j.want.peers {
		have, old := j.have.peers[p.Addr]
		switch {
		case !old:
			add(verbAdd, "peer "+p.Name, fmt.Sprintf("%s, AS %d", p.Addr, p.ASN))
		case !slices.Equal(canonicalPeer(have), canonicalPeer(j.target.peers[p.Addr])):
			add(verbChange, "peer "+p.Name, "")
		}
	}
	for _, x := range sorted(j.target.networks, netip.Prefix.Compare) {
		old, known := j.have.networks[x]
		name := j.target.networks[x]
		switch {
		case !known:
			add(verbAdd, "announcement "+x.String(), strings.Join(j.target.maps[name][0].lines, "; "))
		case old != name:
			add(verbChange, "announcement "+x.String(), strings.Join(j.target.maps[name][0].lines, "; "))
		}
	}
	add(verbChange, "FRR's running configuration", mask(all.String()))
	return steps
}

// canonicalPeer leaves out the order, and what is not ours.
func canonicalPeer(lines []statement) []string {
	var out []string
	for _, l := range lines {
		if kindOf(l.text) != "" {
			out = append(out, l.family+" "+l.text)
		}
	}
	slices.Sort(out)
	return out
}

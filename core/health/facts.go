package health

import (
	"fmt"
	"slices"
	"strings"
)

// Facts are what pushed probes are judged by. A nil map is one that nobody has
// told yet. None is changed once it was handed out.
type Facts struct {
	Sessions map[string]bool   // is the BGP session of a peer established
	Links    map[string]string // what keeps a link from being up; empty: it is up
	VIPs     map[string]string // what a VIP is, if not announced; empty: it is
	Units    map[string]UnitState
}

// Sessions is good while BGP sessions of our own are established.
type Sessions struct {
	AtLeast int
	Peers   []string // which count; empty: all
}

// Kind is "bgp".
func (Sessions) Kind() string { return "bgp" }

// Target tells how many sessions are asked for.
func (p Sessions) Target() string {
	if len(p.Peers) > 0 {
		return fmt.Sprintf("%d or more sessions, of %s", p.AtLeast, strings.Join(p.Peers, ", "))
	}
	return fmt.Sprintf("%d or more sessions", p.AtLeast)
}

func (p Sessions) judge(f Facts) (result, bool) {
	if f.Sessions == nil {
		return result{}, false
	}
	up, all := 0, 0
	for name, established := range f.Sessions {
		if len(p.Peers) > 0 && !slices.Contains(p.Peers, name) {
			continue
		}
		all++
		if established {
			up++
		}
	}
	output := fmt.Sprintf("%d of %d sessions established", up, all)
	if up < p.AtLeast {
		return bad(output), true
	}
	return good(output), true
}

// Interface is good while the kernel says that a network interface is up.
type Interface struct{ Name string }

// Kind is "interface".
func (Interface) Kind() string { return "interface" }

// Target is the interface's name.
func (p Interface) Target() string { return p.Name }

func (p Interface) judge(f Facts) (result, bool) {
	why, there := f.Links[p.Name]
	switch {
	case f.Links == nil:
		return result{}, false
	case !there:
		return bad("there is no interface " + p.Name), true
	case why != "":
		return bad(why), true
	}
	return good(p.Name + " is up"), true
}

// Gate is good while another VIP is announced.
type Gate struct{ VIP string }

// Kind is "vip".
func (Gate) Kind() string { return "vip" }

// Target is the VIP's name.
func (p Gate) Target() string { return p.VIP }

func (p Gate) judge(f Facts) (result, bool) {
	state, there := f.VIPs[p.VIP]
	switch {
	case !there: // the snapshot that has it is on its way
		return result{}, false
	case state != "":
		return bad(p.VIP + " is " + state), true
	}
	return good(p.VIP + " is announced"), true
}

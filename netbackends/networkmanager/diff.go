package networkmanager

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// verb is what a change does with one thing.
type verb string

const (
	keep     verb = ""
	add      verb = "add"
	update   verb = "change"
	remove   verb = "remove"
	activate verb = "activate"
	reapply  verb = "reapply"
)

// change leads from one state to another. Plan prints it, Apply does it.
type change struct {
	profile verb // add, update, remove or keep it
	live    verb // activate, reapply or keep what the device carries
	want    profile
	had     profile // what was in it before
	strays  []stored
	// spare are addresses of others on lo that NetworkManager takes off for a moment.
	spare []netip.Addr
	next  ledger // when all is done
}

// quiet: there is nothing to do but perhaps to write the ledger.
func (c change) quiet() bool { return c.profile == keep && c.live == keep && len(c.strays) == 0 }

// diff compares what is wanted with what is there. It changes nothing.
func diff(want []plugins.VIP, f facts) (change, error) {
	c := change{next: ledger{Version: ledgerVersion}, strays: f.strays}
	named := map[netip.Addr]string{}
	var addrs []netip.Addr
	var errs []error
	for _, v := range want {
		if err := check(v, named); err != nil {
			errs = append(errs, err)
			continue
		}
		named[v.Addr] = v.Name
		e, err := settle(v, f)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !e.Adopted {
			addrs = append(addrs, v.Addr)
		}
		c.next.VIPs = append(c.next.VIPs, e)
	}
	if err := some(errs); err != nil {
		return change{}, err
	}
	slices.SortFunc(c.next.VIPs, func(a, b entry) int { return strings.Compare(a.VIP, b.VIP) })
	c.want = newProfile(f.device, addrs)
	c.decide(f)
	if err := c.allowed(f); err != nil {
		return change{}, err
	}
	return c, nil
}

// decide finds what has to be done with the profile and with the device.
func (c *change) decide(f facts) {
	wanted := len(c.want.addrs) > 0
	if f.ours != nil {
		c.had = newProfile(f.device, slices.Clone(f.ours.addrs))
	}
	switch {
	case f.ours == nil && !wanted:
		return
	case f.ours == nil:
		c.profile, c.live = add, activate
		return
	case !wanted:
		c.profile = remove
		return
	case !slices.Equal(c.had.addrs, c.want.addrs), !f.ours.persistent(), f.ours.edited:
		c.profile = update
	}
	switch {
	case !f.active():
		c.live = activate
	case c.profile == update, !slices.Equal(f.carrier.applied, c.want.addrs), len(missing(c.want, f.kernel)) > 0:
		c.live = reapply
	}
}

// missing are the addresses of p that the kernel does not have.
func missing(p profile, now snapshot) []netip.Addr {
	return missingOn(p.device.link, p.addrs, now)
}

func missingOn(link string, addrs []netip.Addr, now snapshot) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return now.has(a, link) })
}

func check(v plugins.VIP, named map[netip.Addr]string) error {
	if !v.Addr.IsGlobalUnicast() || v.Addr.Zone() != "" || v.Addr.Is4In6() {
		return fmt.Errorf("VIP %s: %s is no address that hosts can share", v.Name, v.Addr)
	}
	if other, ok := named[v.Addr]; ok {
		return fmt.Errorf("VIP %s: VIP %s has the same address %s", v.Name, other, v.Addr)
	}
	return nil
}

// settle decides where a VIP shall stand and whose it is there. An address that
// somebody set up elsewhere is used where it is: doubling it would hide what is
// wrong when that goes.
func settle(v plugins.VIP, f facts) (entry, error) {
	e := entry{VIP: v.Name, Addr: v.Addr, Link: f.device.link}
	if f.ours != nil && slices.Contains(f.ours.addrs, v.Addr) {
		return e, nil
	}
	for _, at := range f.kernel.addrs[v.Addr] {
		if at.up && !f.belongs(v.Addr, at.link) {
			return entry{VIP: v.Name, Addr: v.Addr, Link: at.link, Adopted: true}, nil
		}
	}
	for _, p := range f.foreign {
		// One that was adopted before is served on: whoever took the profile
		// down meanwhile does not take the address off the Internet.
		if slices.Contains(p.addrs, v.Addr) && !f.ledger.adopted(v.Addr) {
			return e, fmt.Errorf("VIP %s: NetworkManager's %s has %s, and no link that is up carries it: bring it up, and the address is adopted, "+
				"or delete it: nmcli connection up (or delete) %s (%w)", v.Name, p, v.Addr, p.uuid, plugins.ErrForeign)
		}
	}
	if v.Link != loopback.link && v.Link != f.device.link {
		return e, otherLink(v, f.device)
	}
	return e, nil
}

func otherLink(v plugins.VIP, d device) error {
	return fmt.Errorf("VIP %s: NetworkManager's profile for %s is not ours to change: leave out its link, and the address goes on %s (%w)",
		v.Name, v.Link, d.link, plugins.ErrUnsupported)
}

// belongs tells whether a is on link by our doing: link is ours alone, or a
// profile of ours put it there.
func (f facts) belongs(a netip.Addr, link string) bool {
	if f.device.own() && link == f.device.link {
		return true
	}
	if link == f.device.link && f.active() && (slices.Contains(f.carrier.applied, a) || slices.Contains(f.ours.addrs, a)) {
		return true
	}
	return slices.ContainsFunc(f.strays, func(s stored) bool { return s.link == link && slices.Contains(s.addrs, a) })
}

// some joins errors as far as a person reads them.
func some(errs []error) error {
	const readable = 5
	if more := len(errs) - readable; more > 1 {
		errs = append(errs[:readable:readable], fmt.Errorf("and %d more VIPs", more))
	}
	return errors.Join(errs...)
}

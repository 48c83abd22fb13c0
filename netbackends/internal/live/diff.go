package live

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/stentor-net/stentor/netbackends/internal/kernel"
	"github.com/stentor-net/stentor/plugins"
)

// snapshot is what the kernel says before a change.
type snapshot struct {
	links map[string]kernel.Link
	names map[int]string
	addrs map[netip.Addr][]kernel.Address
}

func takeSnapshot(conn *kernel.Conn) (snapshot, error) {
	links, err := conn.Links()
	if err != nil {
		return snapshot{}, err
	}
	addrs, err := conn.Addresses()
	if err != nil {
		return snapshot{}, err
	}
	s := snapshot{
		links: make(map[string]kernel.Link, len(links)),
		names: make(map[int]string, len(links)),
		addrs: make(map[netip.Addr][]kernel.Address, len(addrs)),
	}
	for _, l := range links {
		s.links[l.Name] = l
		s.names[l.Index] = l.Name
	}
	for _, a := range addrs {
		s.addrs[a.Prefix.Addr()] = append(s.addrs[a.Prefix.Addr()], a)
	}
	return s, nil
}

// at finds p, with its host length if it stands there twice.
func (s snapshot) at(p place) (kernel.Address, bool) {
	var found kernel.Address
	ok := false
	for _, a := range s.addrs[p.addr] {
		if a.Index == p.index && (!ok || a.Prefix.IsSingleIP()) {
			found, ok = a, true
		}
	}
	return found, ok
}

// hasHost tells whether p stands with its host length: as we would put it.
func (s snapshot) hasHost(p place) bool {
	a, ok := s.at(p)
	return ok && a.Prefix.IsSingleIP()
}

// Change leads from one state to another. Plan prints it, Apply does it.
type Change struct {
	adds    []entry
	adopts  []entry
	removes []entry
	next    ledger // when all is done
	// stands has the prefixes of adopted addresses, of whatever length.
	stands map[place]netip.Prefix
}

// diff compares what is wanted with what is there. It changes nothing.
func diff(want []plugins.VIP, have ledger, now snapshot, theirs map[netip.Addr]string) (Change, error) {
	c := Change{next: make(ledger, len(want)), stands: map[place]netip.Prefix{}}
	named := make(map[netip.Addr]string, len(want))
	var errs []error
	for _, v := range want {
		if err := check(v, named, now); err != nil {
			errs = append(errs, err)
			continue
		}
		named[v.Addr] = v.Name
		e := settle(v, have, now, theirs)
		old, known := have[e.place()]
		at, there := now.at(e.place())
		switch {
		case !there, !e.Adopted && !now.hasHost(e.place()):
			c.adds = append(c.adds, e)
		case e.Adopted && !(known && old.Adopted):
			c.adopts = append(c.adopts, e)
			c.stands[e.place()] = at.Prefix
		}
		c.next[e.place()] = e
	}
	for _, e := range have {
		if _, kept := c.next[e.place()]; !kept && !e.Adopted && now.hasHost(e.place()) {
			if name, ok := now.names[e.Index]; ok {
				e.Link = name
			}
			c.removes = append(c.removes, e)
		}
	}
	slices.SortFunc(c.removes, entry.compare)
	return c, some(errs)
}

// some joins errors as far as a person reads them: one missing link can be the
// fault of a thousand VIPs.
func some(errs []error) error {
	const readable = 5
	if more := len(errs) - readable; more > 1 {
		errs = append(errs[:readable:readable], fmt.Errorf("and %d more VIPs", more))
	}
	return errors.Join(errs...)
}

// Valid refuses what no host can hold, whatever its state.
func Valid(want []plugins.VIP) error {
	named := make(map[netip.Addr]string, len(want))
	var errs []error
	for _, v := range want {
		if err := valid(v, named); err != nil {
			errs = append(errs, err)
			continue
		}
		named[v.Addr] = v.Name
	}
	return some(errs)
}

func valid(v plugins.VIP, named map[netip.Addr]string) error {
	if !v.Addr.IsGlobalUnicast() || v.Addr.Zone() != "" || v.Addr.Is4In6() {
		return fmt.Errorf("VIP %s: %s is no address that hosts can share", v.Name, v.Addr)
	}
	if other, ok := named[v.Addr]; ok {
		return fmt.Errorf("VIP %s: VIP %s has the same address %s", v.Name, other, v.Addr)
	}
	return nil
}

func check(v plugins.VIP, named map[netip.Addr]string, now snapshot) error {
	if err := valid(v, named); err != nil {
		return err
	}
	if _, ok := now.links[v.Link]; !ok {
		return fmt.Errorf("VIP %s: there is no link %s on this host (ip link shows all): %w", v.Name, v.Link, plugins.ErrUnavailable)
	}
	return nil
}

// settle decides where a VIP shall stand and whose it is there. An address
// that is there already is used as it is: doubling it on a second link, or
// replacing a /64 by a /128, would break what somebody set up on purpose. It is
// ours once the file that it was adopted from names it no more.
func settle(v plugins.VIP, have ledger, now snapshot, theirs map[netip.Addr]string) entry {
	link := now.links[v.Link]
	e := entry{VIP: v.Name, Addr: v.Addr, Link: link.Name, Index: link.Index}
	if link.Loopback {
		e.File = theirs[v.Addr]
	}
	if _, there := now.at(e.place()); there {
		old, known := have[e.place()]
		stays := old.Adopted && old.File == ""
		e.Adopted = e.File != "" || !known || stays || !now.hasHost(e.place())
		return e
	}
	for _, a := range now.addrs[v.Addr] {
		old, known := have[place{v.Addr, a.Index}]
		other := now.links[now.names[a.Index]]
		if other.Up && (!known || old.Adopted) {
			return entry{VIP: v.Name, Addr: v.Addr, Link: other.Name, Index: other.Index, Wanted: v.Link, Adopted: true}
		}
	}
	e.Adopted = e.File != ""
	return e
}

// Steps puts the change in the order in which Apply goes.
func (c Change) Steps() []plugins.Step {
	var steps []plugins.Step
	for _, part := range []struct {
		verb    string
		entries []entry
	}{{"adopt", c.adopts}, {"add", c.adds}, {"remove", c.removes}} {
		for _, e := range part.entries {
			prefix, stands := c.stands[e.place()]
			if !stands {
				prefix = netip.PrefixFrom(e.Addr, e.Addr.BitLen())
			}
			step := plugins.Step{Verb: part.verb, Object: fmt.Sprintf("address %s on %s", prefix, e.Link)}
			if e.File != "" {
				step.Diff = e.File + " brings it back after a reboot"
			}
			steps = append(steps, step)
		}
	}
	return steps
}

// Ours are the VIPs that are not adopted, as they stand when all is done:
// what has to come back after a reboot by our means.
func (c Change) Ours() []plugins.VIP {
	var vips []plugins.VIP
	for _, e := range c.next.sorted() {
		if !e.Adopted {
			vips = append(vips, plugins.VIP{Name: e.VIP, Addr: e.Addr, Link: e.Link})
		}
	}
	return vips
}

// Empty tells whether nothing on the host has to change.
func (c Change) Empty() bool { return len(c.adds)+len(c.adopts)+len(c.removes) == 0 }

// Missing names what the host lacks or has too much, once a change is done.
func (c Change) Missing() []string {
	var all []string
	for _, s := range (Change{adds: c.adds, removes: c.removes}).Steps() {
		all = append(all, s.Verb+" "+s.Object)
	}
	return all
}

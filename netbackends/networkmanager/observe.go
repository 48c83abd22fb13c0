package networkmanager

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// observeWait is how long Observe waits for a device that NetworkManager is
// busy with. Whoever observes is about to decide, and must not wait for long.
const observeWait = time.Second

// Observe implements plugins.NetBackend. The Link of a state is the one where
// the address stands, or belongs when it does not.
func (b *Backend) Observe(ctx context.Context) ([]plugins.VIPState, error) {
	if b.root != "" {
		return b.image().observe()
	}
	s, err := b.lookAtRest(ctx, observeWait)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.states(), nil
}

// entries are the adopted addresses, those of our profile, and those that its
// device still carries of what was in it: the next Apply takes them away.
func (f facts) entries() []entry {
	var all []entry
	for _, e := range f.ledger.VIPs {
		if e.Adopted {
			all = append(all, e)
		}
	}
	if f.ours != nil {
		held := f.ours.addrs
		if f.active() {
			held = slices.Concat(held, f.left())
		}
		for _, a := range held {
			all = append(all, entry{VIP: f.ledger.name(a), Addr: a, Link: f.device.link})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.VIP, b.VIP) })
	return all
}

// left are addresses that an Apply which was cut off took out of the profile,
// and not off the device.
func (f facts) left() []netip.Addr {
	return slices.DeleteFunc(slices.Clone(f.carrier.applied), func(a netip.Addr) bool { return slices.Contains(f.ours.addrs, a) })
}

func (f facts) states() []plugins.VIPState {
	var all []plugins.VIPState
	for _, e := range f.entries() {
		all = append(all, f.state(e))
	}
	return all
}

func (f facts) state(e entry) plugins.VIPState {
	there := f.kernel.has(e.Addr, e.Link)
	if e.Adopted {
		there = slices.ContainsFunc(f.kernel.addrs[e.Addr], func(at standing) bool { return at.link == e.Link })
	}
	return plugins.VIPState{
		VIP:     plugins.VIP{Name: e.VIP, Addr: e.Addr, Link: e.Link},
		OnHost:  there,
		Adopted: e.Adopted,
		Drift:   f.drift(e, there),
	}
}

// drift says how host or profile differ from one address that we set up.
func (f facts) drift(e entry, there bool) string {
	var say []string
	if !there {
		say = append(say, fmt.Sprintf("%s is gone from %s", hostLength(e.Addr), e.Link))
	}
	for _, at := range f.kernel.addrs[e.Addr] {
		switch {
		case at.link != e.Link:
			say = append(say, "it stands on "+at.link+" too")
		case e.Adopted && at.bits != e.Addr.BitLen():
			say = append(say, fmt.Sprintf("it stands on %s as %s", at.link, netip.PrefixFrom(e.Addr, at.bits)))
		}
	}
	if e.Adopted {
		return strings.Join(say, "; ")
	}
	switch {
	case !slices.Contains(f.ours.addrs, e.Addr):
		say = append(say, f.ours.String()+" does not have it: an apply was cut off")
	case f.ours.edited:
		say = append(say, f.ours.String()+" was edited by somebody")
	case !f.ours.persistent():
		say = append(say, f.ours.String()+" is not on disk as it is in memory, and would be lost by a reboot")
	case !f.active():
		say = append(say, f.ours.String()+" is not active")
	}
	return strings.Join(say, "; ")
}

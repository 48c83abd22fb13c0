package networkmanager

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/stentor-net/stentor/netbackends/internal/kernel"
)

// facts are all that a decision is made from.
type facts struct {
	device  device
	force   bool // replace a profile of ours that was edited
	version version
	// ours is our profile for the device; nil if there is none.
	ours *stored
	// strays are profiles that bear our mark and are for another device: the
	// setting was another one once.
	strays []stored
	// rivals are profiles of others at the place of ours.
	rivals []stored
	// foreign are profiles of others with addresses of host length, on disk.
	foreign []stored
	carrier *carrier // nil: NetworkManager has no such device
	kernel  snapshot
	ledger  ledger
}

// state is facts, and the connections that they came over.
type state struct {
	facts
	nm    *manager
	conn  *kernel.Conn
	spare []netip.Addr // of the change that is under way
}

func (s *state) close() {
	s.nm.close()
	s.conn.Close()
}

// look opens a state, which has to be closed.
func (b *Backend) look(ctx context.Context) (_ *state, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &state{facts: facts{device: b.device, force: b.force}}
	if s.ledger, err = b.store.load(); err != nil {
		return nil, err
	}
	if s.nm, err = dial(ctx); err != nil {
		return nil, err
	}
	if s.conn, err = kernel.Open(); err != nil {
		s.nm.close()
		return nil, err
	}
	if err := s.refresh(ctx); err != nil {
		s.close()
		return nil, err
	}
	b.follow(s.facts)
	return s, nil
}

// lookAtRest is look at a device that NetworkManager is done with.
func (b *Backend) lookAtRest(ctx context.Context, wait time.Duration) (*state, error) {
	s, err := b.look(ctx)
	if err != nil || s.carrier == nil || !s.carrier.moving() {
		return s, err
	}
	_, err = s.nm.rest(ctx, s.device.link, wait)
	if err == nil {
		err = s.refresh(ctx)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	b.follow(s.facts)
	return s, nil
}

// refresh reads everything but the ledger again.
func (s *state) refresh(ctx context.Context) (err error) {
	s.version, s.ours, s.strays, s.rivals, s.foreign = s.nm.version, nil, nil, nil, nil
	found, err := s.nm.profiles(ctx, s.device)
	if err != nil {
		return err
	}
	for _, p := range found {
		switch {
		case !p.ours && p.inPlaceOf(s.device):
			s.rivals = append(s.rivals, p)
		case !p.ours && p.persistent():
			s.foreign = append(s.foreign, p)
		case !p.ours: // it shows what the host has, and goes with that
		case p.uuid == s.device.uuid:
			s.ours = &p
		default:
			s.strays = append(s.strays, p)
		}
	}
	if s.carrier, err = s.nm.carrier(ctx, s.device.link); err != nil {
		return err
	}
	s.kernel, err = takeSnapshot(s.conn)
	return err
}

// active tells whether our profile is what our device carries.
func (f facts) active() bool {
	return f.ours != nil && f.carrier != nil && f.carrier.profile == f.ours.path()
}

func (s stored) path() dbus.ObjectPath { return s.handle.GetPath() }

// snapshot is what the kernel says.
type snapshot struct {
	links map[string]kernel.Link
	addrs map[netip.Addr][]standing
}

// standing is an address on a link.
type standing struct {
	link string
	up   bool // the link
	bits int
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
	s := snapshot{links: map[string]kernel.Link{}, addrs: map[netip.Addr][]standing{}}
	byIndex := map[int]kernel.Link{}
	for _, l := range links {
		s.links[l.Name], byIndex[l.Index] = l, l
	}
	for _, a := range addrs {
		l := byIndex[a.Index]
		s.addrs[a.Prefix.Addr()] = append(s.addrs[a.Prefix.Addr()], standing{l.Name, l.Up, a.Prefix.Bits()})
	}
	return s, nil
}

// has tells whether a stands on link with its host length.
func (s snapshot) has(a netip.Addr, link string) bool {
	return slices.ContainsFunc(s.addrs[a], func(at standing) bool { return at.link == link && at.bits == a.BitLen() })
}

// on gives what stands on link, but for loopback and link-local addresses,
// which the kernel and NetworkManager put there themselves; sorted.
func (s snapshot) on(link string) []netip.Addr {
	var all []netip.Addr
	for a, places := range s.addrs {
		if a.IsLoopback() || a.IsLinkLocalUnicast() {
			continue
		}
		if slices.ContainsFunc(places, func(at standing) bool { return at.link == link }) {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

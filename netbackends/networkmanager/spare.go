package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// NetworkManager takes all but its own addresses off lo when it activates or
// deletes a profile there. Those of others that a change spares are put back:
// adopted ones, and with --force all.

// strangers are addresses of others on link that forbid a change which takes
// them off; the rest of others' are spared.
func (c *change) strangers(f facts, link string) []netip.Addr {
	var strange []netip.Addr
	for _, a := range f.others(link) {
		adopted := func(e entry) bool { return e.Adopted && e.Addr == a && e.Link == link }
		agreed := f.force || slices.ContainsFunc(c.next.VIPs, adopted) || slices.ContainsFunc(f.ledger.VIPs, adopted)
		if agreed && f.kernel.has(a, link) { // as a host address: nothing else can be put back
			c.spare = append(c.spare, a)
		} else {
			strange = append(strange, a)
		}
	}
	return strange
}

// survey takes a new snapshot, and puts back what the change spares. A try that
// fails is no error, since the next survey makes it again: NetworkManager
// switches IPv6 off on lo for a moment when it changes what stands there.
func (s *state) survey() (err error) {
	if s.kernel, err = takeSnapshot(s.conn); err != nil {
		return err
	}
	for _, a := range missingOn(loopback.link, s.spare, s.kernel) {
		_ = s.conn.Add(s.kernel.links[loopback.link], a)
	}
	return nil
}

// putBack surveys until all is there that the change spares.
func (s *state) putBack(ctx context.Context, wait time.Duration) error {
	err := poll(ctx, wait, func() (bool, error) {
		err := s.survey()
		return len(missingOn(loopback.link, s.spare, s.kernel)) == 0, err
	})
	if errors.Is(err, errSlow) {
		return fmt.Errorf("NetworkManager took %s off lo; put them back: ip address add ADDRESS dev lo (%w)",
			listed(missingOn(loopback.link, s.spare, s.kernel)), err)
	}
	return err
}

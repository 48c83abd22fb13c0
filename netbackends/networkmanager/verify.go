package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// verify waits until the kernel holds what NetworkManager was told, and checks
// that a reboot will find it again.
func (b *Backend) verify(ctx context.Context, s *state, c change) error {
	before := s.kernel
	var unmet string
	err := poll(ctx, b.settle, func() (bool, error) {
		if err := s.survey(); err != nil {
			return false, err
		}
		unmet = c.unmet(before, s.kernel)
		return unmet == "", nil
	})
	if errors.Is(err, errSlow) {
		return fmt.Errorf("NetworkManager took profile %s, but %s: see nmcli device show %s, journalctl -u NetworkManager (%w, %w)",
			profileID, unmet, s.device.link, err, plugins.ErrUnavailable)
	}
	if err != nil {
		return err
	}
	if err := s.nm.whereabouts(ctx, s.ours); err != nil {
		return err
	}
	if !s.ours.persistent() {
		return fmt.Errorf("%s is not on disk, and would be lost by a reboot", s.ours)
	}
	return nil
}

// unmet says what the kernel lacks; nothing if the change is done. Loopback
// addresses count too: NetworkManager takes ::1 off lo and puts it back when it
// changes its profile there.
func (c change) unmet(before, now snapshot) string {
	link := c.want.device.link
	if lacks := missing(c.want, now); len(lacks) > 0 {
		return fmt.Sprintf("%s does not carry %s", link, listed(lacks))
	}
	if len(c.want.addrs) > 0 && !now.links[link].Up {
		return link + " is down"
	}
	over := slices.DeleteFunc(slices.Clone(c.had.addrs), func(a netip.Addr) bool {
		return slices.Contains(c.want.addrs, a) || !now.has(a, link)
	})
	if len(over) > 0 {
		return fmt.Sprintf("%s still carries %s", link, listed(over))
	}
	return c.tookOff(before, now)
}

// tookOff names what NetworkManager took off lo and has to be there again.
func (c change) tookOff(before, now snapshot) string {
	if lacks := missingOn(loopback.link, c.spare, now); len(lacks) > 0 {
		return fmt.Sprintf("lo does not carry %s any more", listed(lacks))
	}
	for a, places := range before.addrs {
		if a.IsLoopback() && len(now.addrs[a]) < len(places) {
			return fmt.Sprintf("it took %s off lo", a)
		}
	}
	return ""
}

// errSlow: something did not come true in time.
var errSlow = errors.New("not done in time")

// poll asks until the answer is yes, for the time of wait at most.
func poll(ctx context.Context, wait time.Duration, done func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	giveUp := time.NewTimer(wait)
	defer giveUp.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-giveUp.C:
			return errSlow
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errSlow, ctx.Err())
		}
	}
}

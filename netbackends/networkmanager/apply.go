package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// carryOut does a change.
func (b *Backend) carryOut(ctx context.Context, s *state, c change) error {
	if s.ledger.InFlight == s.nm.owner && s.carrier != nil {
		if err := s.nm.dropCheckpoints(ctx, s.carrier); err != nil {
			return err
		}
	}
	if !c.quiet() {
		if err := b.keepEdited(s.facts); err != nil {
			return err
		}
		s.spare = c.spare
		b.hush(true) // what we do ourselves is no news to Watch
		defer b.hush(false)
		if err := b.changeHost(ctx, s, c); err != nil {
			return err
		}
		if c.profile == remove {
			s.ours = nil
		} else if s.ours != nil {
			s.ours.addrs = c.want.addrs
		}
	}
	if !s.ledger.equal(c.next) {
		switch err := b.keepNames(c.next); {
		case err == nil:
			s.ledger = c.next
		case c.quiet():
			return err
		default:
			b.log.Warn("NetworkManager holds the addresses now and after a reboot, but which VIPs they are of is not on record; "+
				"apply again when that is mended", "error", err)
		}
	}
	b.follow(s.facts)
	return nil
}

func (b *Backend) keepNames(l ledger) error {
	if err := b.step("save the ledger"); err != nil {
		return err
	}
	return b.store.save(l)
}

func (b *Backend) changeHost(ctx context.Context, s *state, c change) error {
	guard, err := b.guard(ctx, s, c)
	if err != nil {
		return err
	}
	err = b.changeProfile(ctx, s, c)
	if err == nil && (c.profile == update || c.live != keep) {
		err = b.verify(ctx, s, c)
	}
	if err != nil {
		return b.takeBack(ctx, s, c, guard, err)
	}
	if guard != nil {
		if err := s.nm.destroy(ctx, guard); err != nil {
			return b.takeBack(ctx, s, c, guard, err)
		}
	}
	for _, stray := range c.strays {
		if err := b.drop(ctx, s, c, stray); err != nil {
			return err
		}
	}
	b.log.Info("NetworkManager holds the addresses", "device", s.device.link, "addresses", len(c.want.addrs))
	return nil
}

// keepEdited saves what --force is about to overwrite.
func (b *Backend) keepEdited(f facts) error {
	all := f.strays
	if f.ours != nil {
		all = append(slices.Clone(all), *f.ours)
	}
	for _, p := range all {
		if !p.edited {
			continue
		}
		if err := b.store.keepEdited(p.text.bytes()); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) changeProfile(ctx context.Context, s *state, c change) error {
	switch c.profile {
	case add:
		if err := b.step("add the profile"); err != nil {
			return err
		}
		if err := b.sweep(); err != nil {
			return err
		}
		p, err := s.nm.add(ctx, c.want)
		if p.handle != nil {
			s.ours = &p
		}
		if err != nil {
			return err
		}
	case update:
		if err := b.step("change the profile"); err != nil {
			return err
		}
		if err := s.nm.update(ctx, *s.ours, c.want); err != nil {
			return err
		}
	case remove:
		return b.drop(ctx, s, c, *s.ours)
	}
	switch c.live {
	case activate:
		if err := b.step("activate the profile"); err != nil {
			return err
		}
		return b.activate(ctx, s)
	case reapply:
		if err := b.step("reapply the profile"); err != nil {
			return err
		}
		return s.nm.reapply(ctx, s.carrier)
	}
	return nil
}

// activate brings our profile up.
func (b *Backend) activate(ctx context.Context, s *state) error {
	active, err := s.nm.activate(ctx, *s.ours, s.carrier)
	if err != nil {
		return s.device.explain(err, s.nm.version)
	}
	if err := s.nm.arrive(ctx, active, b.settle); err != nil {
		return fmt.Errorf("activate %s: %w", s.ours, err)
	}
	return nil
}

// explain says what to do when the kernel has no such devices: NetworkManager
// passes on the kernel's "Operation not supported".
func (d device) explain(err error, v version) error {
	if err == nil || !d.own() || !strings.Contains(err.Error(), "Failed to create") {
		return err
	}
	fix := "load the kernel module: modprobe " + d.kind
	if v.atLeast(loopbackSince) {
		fix += `; or use lo: device = "lo" in [backend.networkmanager]`
	}
	return fmt.Errorf("%w: this kernel makes no %s devices; %s (%w)", err, d.kind, fix, plugins.ErrUnsupported)
}

// drop deletes a profile of ours and waits until its addresses are gone.
func (b *Backend) drop(ctx context.Context, s *state, c change, p stored) error {
	if err := b.step("delete the profile"); err != nil {
		return err
	}
	if err := s.nm.remove(ctx, p); err != nil {
		return err
	}
	if _, err := s.nm.restWithout(ctx, p.link, p.path(), b.settle); err != nil && !errors.Is(err, errSlow) {
		return err
	}
	before := s.kernel
	own := p.link != loopback.link
	err := poll(ctx, b.settle, func() (bool, error) {
		err := s.survey()
		_, there := s.kernel.links[p.link]
		return len(s.kernel.left(p)) == 0 && !(own && there) && c.tookOff(before, s.kernel) == "", err
	})
	if err == nil || !errors.Is(err, errSlow) {
		return err
	}
	return s.clean(c, p, before)
}

// left are the addresses of a deleted profile that are still there.
func (s snapshot) left(p stored) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(p.addrs), func(a netip.Addr) bool { return !s.has(a, p.link) })
}

// clean does what NetworkManager did not do when it let go of a device.
func (s *state) clean(c change, p stored, before snapshot) error {
	if err := s.survey(); err != nil {
		return err
	}
	link, there := s.kernel.links[p.link]
	var errs []error
	for _, a := range s.kernel.left(p) {
		errs = append(errs, s.conn.Delete(link, a))
	}
	if there && p.link != loopback.link {
		errs = append(errs, fmt.Errorf("NetworkManager deleted %s and left its device: ip link delete %s", p, p.link))
	}
	if took := c.tookOff(before, s.kernel); took != "" {
		errs = append(errs, fmt.Errorf("NetworkManager deleted %s, and %s (see: ip address show lo)", p, took))
	}
	return errors.Join(errs...)
}

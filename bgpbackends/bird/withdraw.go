package bird

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stentor-net/stentor/plugins"
)

// leave takes all of ours away: first the routes, so that each peer is sent the
// withdrawal, and then the sessions.
func (b *Backend) leave(ctx context.Context, v *survey) error {
	s := v.session
	if err := b.step("remove the file"); err != nil {
		return err
	}
	// The file goes first: a restart of BIRD from here on brings nothing back.
	if err := b.file.remove(v.disk.exists); err != nil {
		return err
	}
	if v.running == "" {
		return nil
	}
	for _, family := range families {
		if err := b.step("disable"); err != nil {
			return err
		}
		if _, err := s.ask(ctx, "disable "+names{ours}.static(family)); err != nil {
			return err
		}
	}
	s.settle(ctx, v.target)
	if err := b.step("configure without"); err != nil {
		return err
	}
	if err := s.configure(ctx, "configure"); err != nil {
		return fmt.Errorf("the routes are withdrawn, but the sessions are still there: %w", err)
	}
	running, err := s.revision(ctx)
	if err == nil && running != "" {
		err = fmt.Errorf("BIRD still runs what stentor wrote, though %s is gone: look for a copy of it among the files that bird.conf includes: %w",
			b.file.path(), plugins.ErrForeign)
	}
	return err
}

// withdrawAnyway is for a BIRD that takes no new configuration, be it for a
// mistake in the operator's part of it. Nothing may delay a withdrawal: the
// prefixes leave the file, and as BIRD can't be told so, it is to disable the
// protocols that announce them, and all others of their family.
func (b *Backend) withdrawAnyway(ctx context.Context, v *survey) error {
	if len(leaving(v.disk.body, v.target)) == 0 {
		return nil
	}
	return errors.Join(b.rewrite(v), b.disable(ctx, v))
}

// rewrite takes what is not wanted out of our file, which stays readable for
// those who can read it now.
func (b *Backend) rewrite(v *survey) error {
	r, err := readerOf(b.file.path())
	if err != nil {
		return err
	}
	body, _ := withhold(v.disk.body, v.target)
	return b.file.write(b.file.path(), seal(body), r)
}

// disable withdraws all of a family of which the file has something that is not
// wanted, without a new configuration.
func (b *Backend) disable(ctx context.Context, v *survey) error {
	if v.session == nil || v.running == "" {
		return nil
	}
	families := leaving(v.disk.body, v.target)
	for _, family := range families {
		if _, err := v.session.ask(ctx, "disable "+names{ours}.static(family)); err != nil {
			return err
		}
		b.log.Warn("withdrew all prefixes of a family, as BIRD takes no new configuration", "family", channel(family))
	}
	rest := v.target
	rest.routes = slices.DeleteFunc(slices.Clone(rest.routes), func(a plugins.Announcement) bool {
		return slices.Contains(families, familyOf(a.Prefix))
	})
	v.session.settle(ctx, rest)
	return nil
}

// withoutBIRD brings the file down to what may be announced when BIRD starts.
func (b *Backend) withoutBIRD(v *survey) error {
	if v.body == nil {
		if err := b.file.remove(v.disk.exists); err != nil {
			return err
		}
	} else if !v.fileFits() {
		if err := b.rewrite(v); err != nil {
			return err
		}
	}
	if v.target.asn == 0 {
		return nil
	}
	return v.down
}

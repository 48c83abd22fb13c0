package bird

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

const (
	// undoAfter is when BIRD goes back by itself, in seconds, if this process
	// does not confirm what it has asked for.
	undoAfter = 30
	// reconfigureTime bounds the wait for BIRD's reconfiguration, which ends
	// when the protocols that have to go have gone.
	reconfigureTime = 10 * time.Second
)

// Plan tells the steps that Apply would take.
func (b *Backend) Plan(ctx context.Context, want plugins.Speaker) (plugins.Plan, error) {
	target, refused, err := newSpeaker(want)
	if err != nil {
		return plugins.Plan{}, err
	}
	v, err := b.look(ctx, target)
	if err != nil {
		return plugins.Plan{}, err
	}
	defer v.close()
	refused = errors.Join(refused, v.refused)
	steps := b.steps(v)
	if len(steps) == 0 && v.session == nil && target.asn != 0 {
		return plugins.Plan{}, errors.Join(refused, v.down)
	}
	if v.disk.edited && !b.force {
		return plugins.Plan{Steps: steps}, errors.Join(refused, b.handEdited())
	}
	if len(steps) == 0 {
		b.note(target) // BIRD holds it, be it since an earlier process of ours
	}
	if len(steps) > 0 && v.session != nil {
		steps = append(v.session.unread(ctx, b.file.path()), steps...)
	}
	return plugins.Plan{Steps: steps}, refused
}

// note keeps what Observe is to tell of.
func (b *Backend) note(target speaker) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.want = target
}

// stir has Watch look often for a while.
func (b *Backend) stir() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stirred = time.Now()
}

// Apply makes BIRD hold exactly want, and returns once each established peer
// was sent what changed, after 2 s at the latest. What of want can't be done is
// left out and named in the error.
func (b *Backend) Apply(ctx context.Context, want plugins.Speaker) error {
	target, refused, err := newSpeaker(want)
	if err != nil {
		return err
	}
	b.one.Lock()
	defer b.one.Unlock()
	b.note(target)
	v, err := b.look(ctx, target)
	if err != nil {
		return errors.Join(refused, err)
	}
	defer v.close()
	return errors.Join(refused, v.refused, b.converge(ctx, v))
}

func (b *Backend) converge(ctx context.Context, v *survey) error {
	if v.disk.edited && !b.force {
		return errors.Join(b.handEdited(), b.disable(ctx, v))
	}
	if v.disk.edited {
		if err := b.saveEdited(v.disk.raw); err != nil {
			return err
		}
	}
	switch {
	case v.session == nil:
		return b.withoutBIRD(v)
	case v.fits():
		return nil
	case v.target.asn == 0:
		return b.leave(ctx, v)
	}
	err := b.change(ctx, v)
	b.stir()
	if refused(err) != 0 {
		err = errors.Join(err, b.withdrawAnyway(ctx, v))
	}
	return err
}

// change has BIRD check the new file beside the old one, puts it in its place,
// and has BIRD read it. On trouble the old file and the old running
// configuration come back.
func (b *Backend) change(ctx context.Context, v *survey) error {
	s := v.session
	r, err := readerOf(b.socket)
	if err != nil {
		return err
	}
	if !v.fileFits() {
		if err := b.check(ctx, v, r); err != nil {
			return err
		}
		if err := b.step("write the file"); err != nil {
			return err
		}
		if err := b.file.write(b.file.path(), seal(v.body), r); err != nil {
			return err
		}
	}
	if err := b.step("configure"); err != nil {
		return err
	}
	// What only withdraws is not to be undone by a clock: if this process died
	// now, BIRD would announce again what was withdrawn.
	command := "configure"
	if !onlyWithdraws(v.disk.body, v.body) {
		command = fmt.Sprintf("configure timeout %d", undoAfter)
	}
	err = s.configure(ctx, command)
	if err == nil {
		err = b.verify(ctx, s, v.revision)
	}
	switch {
	case refused(err) != 0, errors.Is(err, plugins.ErrUnsupported):
		return errors.Join(err, b.goBack(ctx, s, v, r))
	case err != nil:
		// BIRD has gone, or there is no more time. The new file is checked, and
		// what it does not announce any more must not come back.
		return err
	}
	if err := b.step("confirm"); err != nil {
		return err
	}
	if command != "configure" {
		if _, err := s.ask(ctx, "configure confirm"); err != nil {
			return err
		}
	}
	s.settle(ctx, v.target)
	return nil
}

// check has BIRD read its whole configuration and the new file besides, under
// other names, and change nothing. The file in force stays in its place: BIRD
// must find a good one whenever it starts.
func (b *Backend) check(ctx context.Context, v *survey, r reader) error {
	main, err := v.session.mainFile(ctx)
	if err != nil {
		return err
	}
	if !v.disk.exists {
		if err := b.included(main); err != nil {
			return err
		}
	}
	around, err := v.session.surroundings(ctx)
	if err != nil {
		return err
	}
	text, _ := render(v.target, names{ours + "check_"}, around)
	text = append(fmt.Appendf(nil, "include \"%s\";\n", main), text...)
	if err := b.step("write the check"); err != nil {
		return err
	}
	if err := b.file.write(b.file.check(), text, r); err != nil {
		return err
	}
	if err := b.step("check"); err != nil {
		return err
	}
	_, err = v.session.ask(ctx, fmt.Sprintf("configure check \"%s\"", b.file.check()))
	if gone := os.Remove(b.file.check()); gone != nil && err == nil {
		err = gone
	}
	if refused(err) != 0 {
		return fmt.Errorf("BIRD %s does not take what stentor would write, nothing was changed: %w: %w", v.session.version, err, plugins.ErrUnsupported)
	}
	return err
}

// verify asks BIRD whether it runs what the file says.
func (b *Backend) verify(ctx context.Context, s *session, revision string) error {
	running, err := s.revision(ctx)
	if err == nil && running != revision {
		err = fmt.Errorf("BIRD does not read %s: add the line  include \"%s\";  to its configuration, and see that BIRD may read the folder: %w",
			b.file.path(), b.file.pattern(), plugins.ErrUnsupported)
	}
	return err
}

// goBack puts the file back that was there before, and has BIRD do the same
// with what it runs.
func (b *Backend) goBack(ctx context.Context, s *session, v *survey, r reader) error {
	var err error
	if v.disk.exists {
		err = b.file.write(b.file.path(), v.disk.raw, r)
	} else {
		err = b.file.remove(true)
	}
	// Nothing to undo is no error: BIRD refused the file, and runs the old one.
	if undo := s.configure(ctx, "configure undo"); refused(undo) == 0 {
		err = errors.Join(err, undo)
	}
	if err != nil {
		return fmt.Errorf("going back to the old configuration: %w", err)
	}
	return nil
}

func (b *Backend) handEdited() error {
	return fmt.Errorf("%s was edited by hand and is kept; stentor apply --force replaces it: %w", b.file.path(), plugins.ErrForeign)
}

// saveEdited keeps what somebody wrote into our file.
func (b *Backend) saveEdited(raw []byte) error {
	return os.WriteFile(filepath.Join(b.stateDir, fileName+".edited"), raw, 0o600)
}

package frr

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

const (
	// settleTime bounds the wait until the peers were sent a withdrawal. A peer
	// that does not read must not hold up the others.
	settleTime = 2 * time.Second
	settlePoll = 10 * time.Millisecond
)

// Plan tells the steps that Apply would take. What can't be done is an error
// only if nothing is left to do: it must not keep Apply from the rest.
func (b *Backend) Plan(ctx context.Context, want plugins.Speaker) (plugins.Plan, error) {
	j, err := b.prepare(ctx, want)
	if steps := j.steps(); err == nil && len(steps) > 0 {
		return plugins.Plan{Steps: steps}, nil
	}
	// Nothing to do: this is what FRR holds, whoever gave it that.
	if err == nil || b.held.Load() == nil {
		b.held.Store(&j.want)
	}
	return plugins.Plan{}, errors.Join(err, j.refused)
}

// Apply makes FRR hold exactly want of ours. What of want can't be done is left
// out and named in the error.
func (b *Backend) Apply(ctx context.Context, want plugins.Speaker) error {
	b.one.Lock()
	defer b.one.Unlock()
	j, err := b.prepare(ctx, want)
	b.held.Store(&j.want)
	if err != nil {
		return errors.Join(err, j.refused)
	}
	err = b.converge(ctx, j)
	if err == nil {
		b.applies.Add(1)
	}
	return errors.Join(err, j.refused)
}

// job is one Apply: where FRR is, and where it shall be.
type job struct {
	want    speaker
	refused error
	theirs  theirs
	have    piece
	target  piece
	changes changes
}

// prepare reads what there is and finds the difference.
func (b *Backend) prepare(ctx context.Context, want plugins.Speaker) (job, error) {
	var j job
	var err error
	if j.want, j.refused, err = newSpeaker(want); err != nil {
		return j, err
	}
	if j.have, j.theirs, err = b.read(ctx); err != nil {
		return j, err
	}
	var foreign error
	if j.want, foreign = j.want.beside(j.theirs); foreign != nil {
		j.refused = errors.Join(j.refused, foreign)
	}
	if j.want.asn != 0 && j.theirs.asn != 0 && j.want.asn != j.theirs.asn && !(j.have.made && j.theirs.lines == 0) {
		return j, fmt.Errorf("FRR speaks BGP as AS %d, and can't do so as AS %d too; set asn = %d in [bgp], or use backend = \"gobgp\", which runs beside FRR: %w",
			j.theirs.asn, j.want.asn, j.theirs.asn, plugins.ErrForeign)
	}
	if j.want.asn != 0 && j.theirs.asn == 0 && b.justStarted(ctx) {
		return j, fmt.Errorf("bgpd has just started, and may not have been given its configuration yet: %w", plugins.ErrUnavailable)
	}
	j.target = b.target(j.want, j.have, j.theirs)
	j.changes = diff(j.have, j.target, j.theirs)
	return j, nil
}

// target is the piece that holds want, and what it needs besides.
func (b *Backend) target(want speaker, have piece, t theirs) piece {
	p := render(want, have, t)
	if b.settings.ResolveViaDefault {
		p.globals = neededGlobals(want, have, t)
	}
	return p
}

// The daemons that parts of a speaker need besides bgpd.
const (
	bfdd    = "bfdd"
	staticd = "staticd"
)

// beside leaves out what the operator has in FRR already, and what needs a
// daemon that does not run.
func (s speaker) beside(t theirs) (speaker, error) {
	var errs []error
	missing := func(what, daemon string) {
		errs = append(errs, fmt.Errorf("%s: FRR's %s does not run; set %s=yes in /etc/frr/daemons: %w", what, daemon, daemon, plugins.ErrUnavailable))
	}
	for i, p := range s.peers {
		if p.BFD != nil && !t.daemons[bfdd] {
			s.peers[i].BFD = nil // the session is worth more than how its end is noticed
			missing("peer "+p.Name+" goes without BFD", bfdd)
		}
	}
	for _, a := range s.routes {
		if !a.Prefix.IsSingleIP() && !t.noCheck && !t.daemons[staticd] {
			missing("announcement "+a.Prefix.String()+" needs a route", staticd)
		}
	}
	s.peers = slices.DeleteFunc(s.peers, func(p plugins.Peer) bool {
		if t.peers[p.Addr] {
			errs = append(errs, fmt.Errorf("peer %s: FRR has a neighbor %s already; remove it there, or remove the peer from stentor's config: %w", p.Name, p.Addr, plugins.ErrForeign))
		}
		return t.peers[p.Addr]
	})
	s.routes = slices.DeleteFunc(s.routes, func(a plugins.Announcement) bool {
		if t.networks[a.Prefix] {
			errs = append(errs, fmt.Errorf("announcement %s: FRR has `network %s` already; remove it there: %w", a.Prefix, a.Prefix, plugins.ErrForeign))
		}
		return t.networks[a.Prefix]
	})
	return s, errors.Join(errs...)
}

// converge executes the changes and looks whether they are in force; if not, it
// puts back what was there.
func (b *Backend) converge(ctx context.Context, j job) error {
	if len(j.changes.all()) == 0 {
		return b.recordGlobals(ctx, j, true)
	}
	// A withdrawal waits for nothing, not even for FRR's parser.
	if err := b.withdraw(ctx, j); err != nil {
		return err
	}
	script := slices.Concat(j.changes.leave, j.changes.hold, j.changes.clean)
	if len(script) == 0 {
		return b.readBack(ctx, j)
	}
	if !script.routesOnly() {
		if err := b.vtysh.check(ctx, script); err != nil {
			return err
		}
	}
	if err := b.recordGlobals(ctx, j, false); err != nil {
		return err
	}
	err := b.execute(ctx, script)
	if err == nil {
		err = b.recordGlobals(ctx, j, true)
	}
	if err == nil {
		err = b.readBack(ctx, j)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	if undone := b.undo(ctx, j); undone != nil {
		return errors.Join(err, fmt.Errorf("and it could not be undone: %w", undone))
	}
	return fmt.Errorf("%w; undone", err)
}

// withdraw takes routes back, and keeps the order of a goodbye: a session ends
// after its peer was sent that.
func (b *Backend) withdraw(ctx context.Context, j job) error {
	if len(j.changes.withdraw) == 0 {
		return nil
	}
	if err := b.execute(ctx, j.changes.withdraw); err != nil {
		return err
	}
	if len(j.changes.leave) > 0 {
		b.settle(ctx, j)
	}
	return nil
}

// readBack compares what FRR says it has with what it was given: vtysh can
// fail without saying so.
func (b *Backend) readBack(ctx context.Context, j job) error {
	now, t, err := b.read(ctx)
	if err != nil {
		return err
	}
	if rest := diff(now, b.target(j.want, now, t), t).all(); len(rest) > 0 {
		return fmt.Errorf("FRR did not take all of it; still to do: %s", mask(rest.String()))
	}
	return nil
}

// undo brings back the piece that was there before, but for what was
// withdrawn: there was a reason for that.
func (b *Backend) undo(ctx context.Context, j job) error {
	now, t, err := b.read(ctx)
	if err != nil {
		return err
	}
	before := j.have
	before.networks = maps.Clone(j.have.networks)
	maps.DeleteFunc(before.networks, func(x netip.Prefix, _ string) bool { _, keep := j.target.networks[x]; return !keep })
	back := diff(now, before, t).all()
	if len(back) == 0 {
		return nil
	}
	return b.execute(ctx, back)
}

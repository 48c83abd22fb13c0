// Package dropin keeps addresses over a reboot in files of our own among a
// network stack's, and puts them on the host by netlink. It is all that the
// file-based backends have in common.
package dropin

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/netbackends/internal/live"
	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/plugins"
)

// Link is where the addresses stand. The stacks' loopback is there on every
// host, before any daemon, and never goes down with a cable.
const Link = "lo"

// Stack is what differs from one file-based stack to another.
type Stack interface {
	// Places are where a file of ours may lie on this host, as the absence of
	// one: wants without a body.
	Places() ([]hostfile.Want, error)
	// Files gives the files that put vips on the host at boot; the other
	// places are emptied. It changes nothing; where the stack would not read
	// them, it refuses.
	Files(ctx context.Context, vips []plugins.VIP) ([]hostfile.Want, error)
	// Check has the stack's own parser read a copy of its files in which
	// changes are done already.
	Check(ctx context.Context, changes []*hostfile.Change) error
	// Theirs gives the addresses that files of others bring to lo at boot.
	Theirs() []netfiles.Address
	// Settle brings the running stack's own idea of lo in line with the files
	// on disk, after the kernel has the addresses, and disturbs nothing else.
	Settle(ctx context.Context) error
}

// Engine drives one Stack. The file on disk, with a header of ours, is the
// record of what is ours; the ledger of the live part knows what was adopted.
type Engine struct {
	stack   Stack
	log     *slog.Logger
	root    hostfile.Root
	live    *live.Host // nil when the root is not the running host
	journal journal
	scratch hostfile.Scratch // the stack's
	force   bool

	mu       sync.Mutex
	expected map[string]bool // path: whether our file is there, by our own doing
}

// New makes an engine for c.
func New(log *slog.Logger, stack Stack, c plugins.Config) (*Engine, error) {
	host, err := live.New(log, c.StateDir)
	if err != nil {
		return nil, err
	}
	e := &Engine{stack: stack, log: log, live: host, force: c.Force,
		root:     hostfile.Root{Dir: "/"},
		journal:  journal{root: hostfile.Root{Dir: c.StateDir}},
		scratch:  hostfile.Scratch{Dir: c.StateDir},
		expected: map[string]bool{},
	}
	if c.Root != "" {
		e.root.Dir, e.live = c.Root, nil
	}
	return e, nil
}

// work is what a call has to do, made by one look at host and files.
type work struct {
	want    []plugins.VIP
	state   *live.State // nil without a running host
	change  live.Change
	files   []*hostfile.Change
	pending *record // of an Apply that was cut off
	// litter: a journal that was not even begun lies about.
	litter bool
}

func (w *work) close() {
	if w.state != nil {
		w.state.Close()
	}
}

// done tells whether there is nothing to do.
func (w *work) done() bool {
	return w.pending == nil && !w.litter && len(w.files) == 0 && (w.state == nil || w.state.Done(w.change))
}

// look finds out what is to do. It changes nothing.
func (e *Engine) look(ctx context.Context, want []plugins.VIP) (*work, error) {
	if err := valid(want); err != nil {
		return nil, err
	}
	if err := e.scratch.Sweep(); err != nil {
		return nil, fmt.Errorf("remove the copies of an apply that was cut off: %w", err)
	}
	w := &work{want: want}
	var err error
	if w.pending, err = e.journal.load(); err != nil {
		return nil, err
	}
	w.litter = e.journal.root.Leftover(journalPath)
	var vips []plugins.VIP
	if e.live == nil {
		theirs := e.theirs()
		vips = slices.DeleteFunc(slices.Clone(want), func(v plugins.VIP) bool { return theirs[v.Addr] != "" })
	} else {
		if w.state, err = e.lookHost(ctx); err != nil {
			return nil, err
		}
		if w.change, err = w.state.Diff(want); err != nil {
			w.close()
			return nil, err
		}
		vips = w.change.Ours()
	}
	if w.files, err = e.compare(ctx, vips); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func valid(want []plugins.VIP) error {
	for _, v := range want {
		if v.Link != Link {
			return fmt.Errorf("VIP %s: this backend puts addresses on lo only, not on %s (the iproute backend can): %w", v.Name, v.Link, plugins.ErrUnsupported)
		}
		if strings.ContainsFunc(v.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) || v.Name == "" {
			return fmt.Errorf("VIP %q: the name does not fit into one line of a file: %w", v.Name, plugins.ErrUnsupported)
		}
	}
	return live.Valid(want)
}

// compare gives what has to change in files, first of all what is to be
// written, then what is to be removed from places where it lay before.
func (e *Engine) compare(ctx context.Context, vips []plugins.VIP) ([]*hostfile.Change, error) {
	wants, err := e.stack.Files(ctx, vips)
	if err != nil {
		return nil, err
	}
	places, err := e.stack.Places()
	if err != nil {
		return nil, err
	}
	named := make(map[string]bool, len(wants))
	for _, w := range wants {
		named[w.Path] = true
	}
	for _, p := range places {
		if !named[p.Path] {
			wants = append(wants, p)
		}
	}
	var changes []*hostfile.Change
	for _, w := range wants {
		c, err := e.root.Compare(w)
		if err != nil {
			return nil, err
		}
		if c != nil {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// Plan implements plugins.NetBackend.
func (e *Engine) Plan(ctx context.Context, want []plugins.VIP) (plugins.Plan, error) {
	w, err := e.look(ctx, want)
	if err != nil {
		return plugins.Plan{}, err
	}
	defer w.close()
	if len(w.files) > 0 {
		if err := e.stack.Check(ctx, w.files); err != nil {
			return plugins.Plan{}, err
		}
	}
	var p plugins.Plan
	if w.pending != nil || w.litter {
		p.Steps = append(p.Steps, plugins.Step{Verb: "repair", Object: "what an Apply that was cut off left behind"})
	}
	for _, c := range w.files {
		p.Steps = append(p.Steps, c.Step())
	}
	p.Steps = append(p.Steps, w.change.Steps()...)
	if len(p.Steps) == 0 && !w.done() {
		p.Steps = append(p.Steps, live.RecordStep())
	}
	return p, nil
}

// Package live puts addresses on links by netlink, and keeps a ledger of whose
// each one is, for all backends that go live that way.
package live

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/stentor-net/stentor/netbackends/internal/kernel"
	"github.com/stentor-net/stentor/plugins"
)

// Host changes the addresses of this host for one backend.
type Host struct {
	// Step is called before each step that a crash could part from the next.
	// Tests end it there; it does nothing otherwise.
	Step func(name string) error

	log   *slog.Logger
	store store

	mu   sync.Mutex
	held ledger // what Watch looks after
}

// New makes a Host whose ledger lies in dir, which is the backend's alone.
func New(log *slog.Logger, dir string) (*Host, error) {
	if dir == "" {
		return nil, errors.New("the backend needs a state folder")
	}
	h := &Host{log: log, Step: func(string) error { return nil }}
	h.store = store{dir: dir, step: func(name string) error { return h.Step(name) }}
	return h, nil
}

// State is all that a call looks at before it does anything.
type State struct {
	// Theirs has the addresses that files of somebody else's bring to lo at
	// boot, each with the file's path. They are adopted while they stand
	// there: put on the host if they are not up, and left to that file.
	Theirs map[netip.Addr]string

	conn   *kernel.Conn
	here   origin
	have   ledger // whose each address is
	stored ledger // the part of it that the ledger's file says
	onDisk bool   // there is a file of the ledger's, if only of an earlier boot
	now    snapshot
}

// Look opens a State, to be closed. kept are VIPs that a file of ours puts on
// the host at boot: they are ours though the ledger of this boot does not know
// them yet.
func (h *Host) Look(ctx context.Context, kept []plugins.VIP) (*State, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	here, err := readOrigin()
	if err != nil {
		return nil, err
	}
	s := &State{here: here}
	if s.stored, s.onDisk, err = h.store.load(here); err != nil {
		return nil, err
	}
	if s.conn, err = kernel.Open(); err != nil {
		return nil, err
	}
	if s.now, err = takeSnapshot(s.conn); err != nil {
		s.conn.Close()
		return nil, err
	}
	s.have = s.stored.with(kept, s.now)
	return s, nil
}

// with gives the ledger and what kept adds to it.
func (l ledger) with(kept []plugins.VIP, now snapshot) ledger {
	all := maps.Clone(l)
	for _, v := range kept {
		link, ok := now.links[v.Link]
		e := entry{VIP: v.Name, Addr: v.Addr, Link: link.Name, Index: link.Index}
		if _, known := all[e.place()]; ok && !known {
			all[e.place()] = e
		}
	}
	return all
}

// Close frees the State.
func (s *State) Close() { s.conn.Close() }

// Diff compares what is wanted with what is there. It changes nothing.
func (s *State) Diff(want []plugins.VIP) (Change, error) { return diff(want, s.have, s.now, s.Theirs) }

// Done tells whether c leaves both host and ledger as they are.
func (s *State) Done(c Change) bool {
	return c.Empty() && maps.Equal(c.next, s.have) && (len(c.next) > 0 || !s.onDisk)
}

// RecordStep stands for a change of the ledger alone. One that names an address
// which the host has not must not stay: it would count as ours, whoever puts it
// there later.
func RecordStep() plugins.Step {
	return plugins.Step{Verb: "change", Object: "the record of whose each address is"}
}

// Lost is the part of the way to want that puts back what was ours already.
func (s *State) Lost(want []plugins.VIP) (Change, error) {
	c, err := s.Diff(want)
	c.adopts, c.removes, c.next = nil, nil, s.have
	c.adds = slices.DeleteFunc(c.adds, func(e entry) bool {
		had, known := s.have[e.place()]
		return !known || had.Adopted
	})
	return c, err
}

// Held are all VIPs that the ledger knows, adopted ones too, as they are wanted.
func (s *State) Held() []plugins.VIP {
	var vips []plugins.VIP
	for _, e := range s.have.sorted() {
		link := e.Link
		if e.Wanted != "" {
			link = e.Wanted
		}
		vips = append(vips, plugins.VIP{Name: e.VIP, Addr: e.Addr, Link: link})
	}
	return vips
}

// Guarded are the addresses that no change may ever cost this host: those of
// its loopback, and the networks that its uplink is in for good. Link-local
// ones come and go with the link.
func (s *State) Guarded() ([]string, error) {
	uplink, err := s.conn.Uplink()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []string
	for _, list := range s.now.addrs {
		for _, a := range list {
			onUplink := a.Index == uplink.Index && !a.Dynamic && !a.Prefix.IsSingleIP() && !a.Prefix.Addr().IsLinkLocalUnicast()
			if onUplink || a.Prefix.Addr().IsLoopback() {
				all = append(all, fmt.Sprintf("%s on %s", a.Prefix, s.now.names[a.Index]))
			}
		}
	}
	slices.Sort(all)
	return all, nil
}

func (h *Host) hold(l ledger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = l
}

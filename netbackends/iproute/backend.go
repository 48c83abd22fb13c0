// Package iproute puts addresses on links by plain netlink, on any host, until
// it reboots.
package iproute

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/stentor-net/stentor/netbackends/internal/kernel"
	"github.com/stentor-net/stentor/plugins"
)

// Backend is a plugins.NetBackend. Nothing is kept in files but the ledger of
// whose each address is.
type Backend struct {
	log   *slog.Logger
	store store
	// step is called before each step that a crash could part from the next.
	// Tests end it there; it does nothing otherwise.
	step func(name string) error

	mu   sync.Mutex
	held ledger // what Watch looks after
}

// New makes a backend that Configure makes ready.
func New(log *slog.Logger) *Backend {
	return &Backend{log: log, step: func(string) error { return nil }}
}

// Info implements plugins.Backend.
func (b *Backend) Info() plugins.Info {
	return plugins.Info{
		Name: "iproute", Version: "1", API: plugins.APIVersion,
		Kind: plugins.KindNet, Caps: []plugins.Cap{plugins.CapLink},
	}
}

// Configure implements plugins.Backend. There are no settings.
func (b *Backend) Configure(_ context.Context, c plugins.Config) error {
	if err := c.Decode(&struct{}{}); err != nil {
		return err
	}
	if c.StateDir == "" {
		return errors.New("the iproute backend needs a state folder")
	}
	b.store = store{dir: c.StateDir, step: func(name string) error { return b.step(name) }}
	return nil
}

// Detect implements plugins.Backend. Netlink is on every host, so any backend
// that can keep addresses over a reboot goes before this one.
func (b *Backend) Detect(context.Context) (plugins.Detection, error) {
	conn, err := kernel.Open()
	if err != nil {
		return plugins.Detection{}, err
	}
	defer conn.Close()
	links, err := conn.Links()
	if err != nil {
		return plugins.Detection{}, err
	}
	d := plugins.Detection{Score: 10, Why: "plain netlink: addresses last until reboot"}
	for _, l := range links {
		if l.Loopback {
			state := "down"
			if l.Up {
				state = "up"
			}
			d.Signals = append(d.Signals, plugins.Signal{Name: l.Name, Value: state})
		}
	}
	return d, nil
}

// Close implements plugins.Backend.
func (b *Backend) Close() error { return nil }

// state is all that a call looks at before it does anything.
type state struct {
	conn   *kernel.Conn
	here   origin
	have   ledger
	onDisk bool // there is a file of the ledger's, if only of an earlier boot
	now    snapshot
}

// look opens a state; its conn has to be closed.
func (b *Backend) look(ctx context.Context) (s state, err error) {
	if err := ctx.Err(); err != nil {
		return s, err
	}
	if s.here, err = readOrigin(); err != nil {
		return s, err
	}
	if s.have, s.onDisk, err = b.store.load(s.here); err != nil {
		return s, err
	}
	if s.conn, err = kernel.Open(); err != nil {
		return s, err
	}
	if s.now, err = takeSnapshot(s.conn); err != nil {
		s.conn.Close()
	}
	return s, err
}

// Plan implements plugins.NetBackend. Beside "add" and "remove" it has the verb
// "adopt", for an address that is on the host already.
func (b *Backend) Plan(ctx context.Context, want []plugins.VIP) (plugins.Plan, error) {
	s, err := b.look(ctx)
	if err != nil {
		return plugins.Plan{}, err
	}
	defer s.conn.Close()
	c, err := diff(want, s.have, s.now)
	if err != nil {
		return plugins.Plan{}, err
	}
	return plugins.Plan{Steps: c.steps()}, nil
}

// Apply implements plugins.NetBackend. It does all of it or nothing: when a
// step fails, those before it are taken back.
func (b *Backend) Apply(ctx context.Context, want []plugins.VIP) error {
	s, err := b.look(ctx)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	c, err := diff(want, s.have, s.now)
	if err != nil {
		return err
	}
	b.hold(c.next) // what we take off now is no news to Watch
	if err := b.carryOut(ctx, s, c); err != nil {
		b.hold(s.have)
		return err
	}
	return nil
}

func (b *Backend) hold(l ledger) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = l
}

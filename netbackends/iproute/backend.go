// Package iproute puts addresses on links by plain netlink, on any host, until
// it reboots.
package iproute

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/kernel"
	"github.com/stentor-net/stentor/netbackends/internal/live"
	"github.com/stentor-net/stentor/plugins"
)

// Backend is a plugins.NetBackend. Nothing is kept in files but the ledger of
// whose each address is.
type Backend struct {
	log    *slog.Logger
	glance *detect.Glance
	host   *live.Host
}

// New makes a backend that Configure makes ready. glance is shared with others.
func New(log *slog.Logger, glance *detect.Glance) *Backend { return &Backend{log: log, glance: glance} }

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
	if c.Root != "" {
		return fmt.Errorf("plain netlink leaves nothing in files, so there is nothing to do below %s: "+
			"name the stack of that root, as [network] backend = \"netplan\": %w", c.Root, plugins.ErrUnsupported)
	}
	var err error
	b.host, err = live.New(b.log, c.StateDir)
	return err
}

// Detect implements plugins.Backend. Netlink is on every host, so any backend
// that can keep addresses over a reboot goes before this one. Where a stack
// without a backend runs, the choice is left to a person.
func (b *Backend) Detect(ctx context.Context) (plugins.Detection, error) {
	view, err := b.glance.At(ctx, "")
	if err != nil {
		return plugins.Detection{}, err
	}
	d := opinion(detect.Owner(view))
	d.Signals, err = loopbacks()
	return d, err
}

func opinion(owner detect.Verdict) plugins.Detection {
	if owner.Unsupported != "" {
		return plugins.Detection{Why: owner.Unsupported + `; with [network] backend = "iproute" addresses last until reboot`}
	}
	return plugins.Detection{Score: 10, Why: "plain netlink: addresses last until reboot"}
}

func loopbacks() ([]plugins.Signal, error) {
	conn, err := kernel.Open()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	links, err := conn.Links()
	if err != nil {
		return nil, err
	}
	var signals []plugins.Signal
	for _, l := range links {
		if l.Loopback {
			state := "down"
			if l.Up {
				state = "up"
			}
			signals = append(signals, plugins.Signal{Name: l.Name, Value: state})
		}
	}
	return signals, nil
}

// Close implements plugins.Backend.
func (b *Backend) Close() error { return nil }

// Watch implements plugins.Backend. It reports addresses of the last Apply or
// Observe that somebody else takes off the host.
func (b *Backend) Watch(ctx context.Context, changed func(plugins.Change)) error {
	return b.host.Watch(ctx, changed)
}

// Plan implements plugins.NetBackend. Beside "add" and "remove" it has the verb
// "adopt", for an address that is on the host already.
func (b *Backend) Plan(ctx context.Context, want []plugins.VIP) (plugins.Plan, error) {
	s, err := b.host.Look(ctx, nil)
	if err != nil {
		return plugins.Plan{}, err
	}
	defer s.Close()
	c, err := s.Diff(want)
	if err != nil {
		return plugins.Plan{}, err
	}
	p := plugins.Plan{Steps: c.Steps()}
	if len(p.Steps) == 0 && !s.Done(c) {
		p.Steps = append(p.Steps, live.RecordStep())
	}
	return p, nil
}

// Apply implements plugins.NetBackend. It does all of it or nothing: when a
// step fails, those before it are taken back.
func (b *Backend) Apply(ctx context.Context, want []plugins.VIP) error {
	s, err := b.host.Look(ctx, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	c, err := s.Diff(want)
	if err != nil {
		return err
	}
	return b.host.CarryOut(ctx, s, c, nil)
}

// Observe implements plugins.NetBackend.
func (b *Backend) Observe(ctx context.Context) ([]plugins.VIPState, error) {
	s, err := b.host.Look(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return b.host.Observe(s), nil
}

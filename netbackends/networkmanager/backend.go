// Package networkmanager holds addresses through NetworkManager, as one
// connection profile of our own on a dummy device, or on lo if asked to.
package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/plugins"
)

// Backend is a plugins.NetBackend. The profile is the one record of what is
// ours; the ledger adds the VIPs' names and what was adopted.
type Backend struct {
	log    *slog.Logger
	glance *detect.Glance
	device device
	store  store
	file   string // where NetworkManager keeps our profile
	root   string // another system's folder; empty: this host
	force  bool
	// settle is how long a change may take to reach the kernel.
	settle time.Duration
	// step is called before each step that a crash could part from the next.
	// Tests end it there; it does nothing otherwise.
	step func(name string) error

	mu      sync.Mutex
	watched watched
}

// New makes a backend that Configure makes ready. glance is shared with others.
func New(log *slog.Logger, glance *detect.Glance) *Backend {
	return &Backend{log: log, glance: glance, device: dummy, file: fileName, settle: 20 * time.Second, step: func(string) error { return nil }}
}

// Info implements plugins.Backend.
func (b *Backend) Info() plugins.Info {
	return plugins.Info{
		Name: string(detect.NetworkManager), Version: "1", API: plugins.APIVersion,
		Kind: plugins.KindNet, Caps: []plugins.Cap{plugins.CapPersist},
	}
}

// Configure implements plugins.Backend. The one setting, device, is "dummy" or
// "lo". Activating a profile on lo takes off what others put there, and only
// one can be active on it, so a device of our own is the default.
func (b *Backend) Configure(_ context.Context, c plugins.Config) error {
	var settings struct {
		Device string `json:"device"`
	}
	if err := c.Decode(&settings); err != nil {
		return err
	}
	switch settings.Device {
	case "", dummy.kind:
	case loopback.link:
		b.device = loopback
	default:
		return &plugins.ConfigError{
			Key: "device", Msg: fmt.Sprintf("%q is no device that addresses can be put on", settings.Device),
			Hint: `"dummy" is a device of its own; "lo" needs NetworkManager 1.42 or newer`,
		}
	}
	if c.StateDir == "" {
		return errors.New("the networkmanager backend needs a state folder")
	}
	b.store = store{dir: c.StateDir}
	b.root, b.force = c.Root, c.Force
	return nil
}

// Detect implements plugins.Backend.
func (b *Backend) Detect(ctx context.Context) (plugins.Detection, error) {
	view, err := b.glance.At(ctx, b.root)
	if err != nil {
		return plugins.Detection{}, err
	}
	return detect.Owner(view).For(detect.NetworkManager), nil
}

// Plan implements plugins.NetBackend. Beside the usual verbs it has "adopt",
// for an address that is on the host already.
func (b *Backend) Plan(ctx context.Context, want []plugins.VIP) (plugins.Plan, error) {
	if b.root != "" {
		return b.image().plan(want)
	}
	s, err := b.lookAtRest(ctx, b.settle)
	if err != nil {
		return plugins.Plan{}, err
	}
	defer s.close()
	c, err := diff(want, s.facts)
	if err != nil {
		return plugins.Plan{}, err
	}
	return plugins.Plan{Steps: c.steps(s.facts)}, nil
}

// Apply implements plugins.NetBackend. It does all of it or nothing: when a
// step fails, those before it are taken back.
func (b *Backend) Apply(ctx context.Context, want []plugins.VIP) error {
	if b.root != "" {
		return b.image().apply(want)
	}
	s, err := b.lookAtRest(ctx, b.settle)
	if err != nil {
		return err
	}
	defer s.close()
	c, err := diff(want, s.facts)
	if err != nil {
		return err
	}
	return b.carryOut(ctx, s, c)
}

// Close implements plugins.Backend.
func (b *Backend) Close() error {
	hangUp()
	return nil
}

// Package networkd keeps addresses on lo through systemd-networkd.
package networkd

import (
	"context"
	"log/slog"
	"os"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/dropin"
	"github.com/stentor-net/stentor/plugins"
)

// Backend is a plugins.NetBackend.
type Backend struct {
	*dropin.Engine
	log    *slog.Logger
	glance *detect.Glance
	root   string // empty is this host
	stack  *stack
}

// New makes a backend that Configure makes ready. glance is shared with others.
func New(log *slog.Logger, glance *detect.Glance) *Backend { return &Backend{log: log, glance: glance} }

// Info implements plugins.Backend.
func (b *Backend) Info() plugins.Info {
	return plugins.Info{
		Name: string(detect.Networkd), Version: "1", API: plugins.APIVersion,
		Kind: plugins.KindNet, Caps: []plugins.Cap{plugins.CapPersist},
	}
}

// Configure implements plugins.Backend. There are no settings.
func (b *Backend) Configure(_ context.Context, c plugins.Config) error {
	if err := c.Decode(&struct{}{}); err != nil {
		return err
	}
	b.root = c.Root
	dir := c.Root
	if dir == "" {
		dir = "/"
	}
	b.stack = &stack{files: os.DirFS(dir)}
	var err error
	b.Engine, err = dropin.New(b.log, b.stack, c)
	return err
}

// Detect implements plugins.Backend.
func (b *Backend) Detect(ctx context.Context) (plugins.Detection, error) {
	view, err := b.glance.At(ctx, b.root)
	if err != nil {
		return plugins.Detection{}, err
	}
	return detect.Owner(view).For(detect.Networkd), nil
}

// Close implements plugins.Backend.
func (b *Backend) Close() error { return nil }

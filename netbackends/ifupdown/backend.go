// Package ifupdown keeps addresses on lo through ifupdown, ifupdown2 or
// ifupdown-ng.
package ifupdown

import (
	"context"
	"log/slog"
	"os"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/dropin"
	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
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

// settings is [backend.ifupdown].
type settings struct {
	// AddSourceLine allows to add one marked line to /etc/network/interfaces
	// where it does not read interfaces.d; removal takes it out again.
	AddSourceLine bool `json:"add_source_line"`
}

// New makes a backend that Configure makes ready. glance is shared with others.
func New(log *slog.Logger, glance *detect.Glance) *Backend { return &Backend{log: log, glance: glance} }

// Info implements plugins.Backend.
func (b *Backend) Info() plugins.Info {
	return plugins.Info{
		Name: string(detect.Ifupdown), Version: "1", API: plugins.APIVersion,
		Kind: plugins.KindNet, Caps: []plugins.Cap{plugins.CapPersist},
	}
}

// Configure implements plugins.Backend.
func (b *Backend) Configure(_ context.Context, c plugins.Config) error {
	var set settings
	if err := c.Decode(&set); err != nil {
		return err
	}
	b.root = c.Root
	dir := c.Root
	if dir == "" {
		dir = "/"
	}
	b.stack = &stack{dir: dir, files: os.DirFS(dir), scratch: hostfile.Scratch{Dir: c.StateDir}, addSource: set.AddSourceLine}
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
	return detect.Owner(view).For(detect.Ifupdown), nil
}

// Close implements plugins.Backend.
func (b *Backend) Close() error { return nil }

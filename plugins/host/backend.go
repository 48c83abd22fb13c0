package host

import (
	"context"

	"github.com/stentor-net/stentor/plugins"
)

// Net is a network backend in a process of its own.
type Net struct {
	*supervisor[plugins.NetBackend]
}

// OpenNet starts a program that is a network backend.
func OpenNet(ctx context.Context, o Options, prog Program) (*Net, error) {
	s, err := supervise(ctx, o, prog, plugins.NetOver)
	if err != nil {
		return nil, err
	}
	return &Net{s}, nil
}

// Processes tells how its process is.
func (n *Net) Processes() []State { return []State{n.State()} }

// Plan asks the present process.
func (n *Net) Plan(ctx context.Context, want []plugins.VIP) (p plugins.Plan, err error) {
	err = n.call(ctx, "Plan", func(ctx context.Context, b plugins.NetBackend) (err error) { p, err = b.Plan(ctx, want); return err })
	return p, err
}

// Apply asks the present process.
func (n *Net) Apply(ctx context.Context, want []plugins.VIP) error {
	return n.call(ctx, "Apply", func(ctx context.Context, b plugins.NetBackend) error { return b.Apply(ctx, want) })
}

// Observe asks the present process.
func (n *Net) Observe(ctx context.Context) (s []plugins.VIPState, err error) {
	err = n.call(ctx, "Observe", func(ctx context.Context, b plugins.NetBackend) (err error) { s, err = b.Observe(ctx); return err })
	return s, err
}

// Inspect asks the present process, which need not be an Inspector.
func (n *Net) Inspect(ctx context.Context, want []plugins.VIP) (f []plugins.Finding, err error) {
	err = n.call(ctx, "Inspect", func(ctx context.Context, b plugins.NetBackend) (err error) {
		if i, ok := b.(plugins.Inspector); ok {
			f, err = i.Inspect(ctx, want)
		}
		return err
	})
	return f, err
}

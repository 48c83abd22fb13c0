package iproute

import (
	"context"

	"github.com/stentor-net/stentor/netbackends/internal/inspect"
	"github.com/stentor-net/stentor/plugins"
)

// Inspect implements plugins.Inspector. Whatever stack runs here, its files
// may bring the addresses too.
func (b *Backend) Inspect(ctx context.Context, want []plugins.VIP) ([]plugins.Finding, error) {
	return inspect.Files(ctx, "", b.Observe, want)
}

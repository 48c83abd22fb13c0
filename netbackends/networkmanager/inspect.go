package networkmanager

import (
	"context"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/inspect"
	"github.com/stentor-net/stentor/plugins"
)

// Inspect implements plugins.Inspector. What netplan renders for NetworkManager
// stands in netplan's files.
func (b *Backend) Inspect(ctx context.Context, want []plugins.VIP) ([]plugins.Finding, error) {
	return inspect.Files(ctx, b.root, b.Observe, want, detect.NetworkManager, detect.Netplan)
}

package netplan

import (
	"context"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/inspect"
	"github.com/stentor-net/stentor/netbackends/internal/networkd"
	"github.com/stentor-net/stentor/plugins"
)

// Inspect implements plugins.Inspector.
func (b *Backend) Inspect(ctx context.Context, want []plugins.VIP) ([]plugins.Finding, error) {
	found, err := inspect.Files(ctx, b.root, b.Observe, want, detect.Netplan)
	if err != nil {
		return nil, err
	}
	traps, err := networkd.Traps(b.stack.files, true)
	return append(found, traps...), err
}

package live

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/stentor-net/stentor/netbackends/internal/kernel"
	"github.com/stentor-net/stentor/plugins"
)

// Watch reports addresses of the last Apply or
// Observe that somebody else takes off the host.
func (h *Host) Watch(ctx context.Context, changed func(plugins.Change)) error {
	return kernel.WatchGone(ctx, func(p netip.Prefix, index int) {
		h.mu.Lock()
		e, ok := h.held[place{p.Addr(), index}]
		h.mu.Unlock()
		if ok {
			changed(plugins.Change{
				Object: e.VIP,
				Why:    fmt.Sprintf("%s was taken off %s", p, e.Link),
				Lost:   !e.Adopted,
			})
		}
	})
}

// Package netbackends lists the network backends that are built in.
package netbackends

import (
	"log/slog"

	"github.com/stentor-net/stentor/netbackends/iproute"
	"github.com/stentor-net/stentor/plugins"
)

// Builtin gives one of each, not configured yet.
func Builtin(log *slog.Logger) []plugins.NetBackend {
	return []plugins.NetBackend{
		iproute.New(log),
	}
}

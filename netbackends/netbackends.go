// Package netbackends lists the network backends that are built in.
package netbackends

import (
	"log/slog"

	"github.com/stentor-net/stentor/netbackends/ifupdown"
	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/iproute"
	"github.com/stentor-net/stentor/netbackends/netplan"
	"github.com/stentor-net/stentor/netbackends/networkd"
	"github.com/stentor-net/stentor/netbackends/networkmanager"
	"github.com/stentor-net/stentor/plugins"
)

// Builtin gives one of each, not configured yet.
func Builtin(log *slog.Logger) []plugins.NetBackend {
	glance := &detect.Glance{}
	return []plugins.NetBackend{
		netplan.New(log, glance),
		networkd.New(log, glance),
		networkmanager.New(log, glance),
		ifupdown.New(log, glance),
		iproute.New(log, glance),
	}
}

// Package bgpbackends lists the BGP backends that are built in.
package bgpbackends

import (
	"log/slog"

	"github.com/stentor-net/stentor/bgpbackends/bird"
	"github.com/stentor-net/stentor/bgpbackends/frr"
	"github.com/stentor-net/stentor/bgpbackends/gobgp"
	"github.com/stentor-net/stentor/bgpbackends/native"
	"github.com/stentor-net/stentor/plugins"
)

// Builtin gives one value of each.
func Builtin(log *slog.Logger) []plugins.BGPBackend {
	return []plugins.BGPBackend{gobgp.New(log), bird.New(log), frr.New(log), native.New(log)}
}

package reconcile

import (
	"fmt"
	"strings"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// outlook says what a restart would do to the routes that peers have now.
// managed: it could be told from a stop.
func outlook(bgp config.BGP, speaker plugins.Info, managed bool, peers []status.Peer) *status.Restart {
	var told, dropping []string
	for _, p := range peers {
		if p.Announced == 0 {
			continue
		}
		told = append(told, p.Name)
		if !p.GracefulRestart {
			dropping = append(dropping, p.Name)
		}
	}
	outlives, keep := speaker.Has(plugins.CapOutlivesDaemon), bgp.OnRestart == config.OnRestartKeep
	loses := func(format string, args ...any) *status.Restart {
		return &status.Restart{Why: fmt.Sprintf(format, args...)}
	}
	switch {
	case len(told) == 0:
		return &status.Restart{KeepsRoutes: true, Why: "no peer has a route from this host"}
	case bgp.OnExit == config.OnExitKeep, keep && managed && outlives:
		return &status.Restart{KeepsRoutes: true, Why: speaker.Name + " goes on and keeps the routes"}
	case keep && !managed:
		return loses("systemd does not run this daemon, and nobody else tells it a restart from a stop")
	case keep && len(dropping) == 0:
		return &status.Restart{KeepsRoutes: true, Why: "each peer that has a route keeps it (graceful restart)"}
	case keep:
		return loses("no graceful restart was agreed on with %s, so the routes go with the session", strings.Join(dropping, ", "))
	case outlives:
		return loses(`the routes are withdrawn meanwhile; with on_restart = "keep" in [bgp], %s keeps them`, speaker.Name)
	default:
		return loses("the routes are withdrawn meanwhile; with graceful_restart in [bgp], peers that can do it keep them")
	}
}

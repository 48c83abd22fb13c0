package registry

import (
	"os"
	"strings"

	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
)

// processes is what a backend with processes of its own has besides.
type processes interface{ Processes() []host.State }

// Processes tells where a backend runs: in this process, or in which others.
func (r *Registry) Processes(kind plugins.Kind, name string) []status.Backend {
	var b plugins.Backend
	r.mu.Lock()
	if n, ok := r.openNets[name]; ok && kind == plugins.KindNet {
		b = n
	} else if g, ok := r.openBGPs[name]; ok && kind == plugins.KindBGP {
		b = g
	}
	r.mu.Unlock()
	if own, ok := b.(processes); ok {
		var all []status.Backend
		for _, s := range own.Processes() {
			if s.PID == 0 && s.LastEnd == "" {
				continue // the first one is coming up
			}
			all = append(all, process(s))
		}
		return all
	}
	i, _ := r.Info(kind, name)
	return []status.Backend{{Name: name, Kind: string(kind), Version: i.Version, API: i.API, PID: os.Getpid()}}
}

// isDown tells whether a backend waits for its process, as KeepTrying allows.
func (r *Registry) isDown(b plugins.Backend) bool {
	own, ok := b.(processes)
	return ok && r.pluginOptions().KeepTrying && own.Processes()[0].PID == 0
}

func process(s host.State) status.Backend {
	return status.Backend{
		Name: s.Name, Kind: string(s.Kind), Version: s.Version, API: s.API, PID: s.PID, Peer: s.Peer,
		Isolated: true, User: s.User, UserWhy: s.UserWhy, Powerless: s.Powerless,
		Since: s.Since, Restarts: s.Restarts, LastEnd: strings.TrimSpace(s.LastEnd), EndedAt: s.EndedAt,
	}
}

// Close ends the processes of backends. Those in this process are their users'.
func (r *Registry) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.openNets {
		_ = b.Close()
	}
	for _, b := range r.openBGPs {
		_ = b.Close()
	}
	for _, f := range r.programs {
		f.Close() // a nil one says so
	}
	clear(r.programs)
}

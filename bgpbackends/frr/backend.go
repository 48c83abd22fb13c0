// Package frr is the BGP backend for hosts that run FRR already: it keeps a
// small piece of its own in FRR's running configuration.
//
// Everything in that piece is told from the operator's by its name, which
// begins with "stentor", or by a reference to such a name. What has no such
// mark is never changed, and the configuration is never written to disk by us:
// "write memory" drops the operator's comments.
package frr

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/stentor-net/stentor/plugins"
)

// version is that of this backend; FRR's own is found out at run time.
const version = "1.0.0"

// Backend drives one FRR.
type Backend struct {
	log      *slog.Logger
	settings settings
	vtysh    vtysh
	stateDir string

	one   sync.Mutex              // one Apply at a time: each compares before and after
	held  atomic.Pointer[speaker] // what FRR was last asked to hold; nil before
	clock clock                   // Observe's
	// applies counts those that went well, for Watch to look again.
	applies atomic.Uint64
}

var _ plugins.BGPBackend = (*Backend)(nil)

// New makes a backend that logs to log. It does no I/O.
func New(log *slog.Logger) *Backend {
	return &Backend{log: log, clock: clock{}}
}

// Info tells name, version and capabilities.
func (b *Backend) Info() plugins.Info {
	return plugins.Info{
		Name:    "frr",
		Version: version,
		API:     plugins.APIVersion,
		Kind:    plugins.KindBGP,
		Caps: []plugins.Cap{
			plugins.CapMD5,
			plugins.CapTTLSecurity,
			plugins.CapMultihop,
			plugins.CapBFD,
			plugins.CapLocalAddr,
			plugins.CapLargeCommunities,
			plugins.CapMED,
			plugins.CapLocalPref,
			plugins.CapPrepend,
			plugins.CapNextHop,
			plugins.CapPerPeer,
			plugins.CapOutlivesDaemon,
		},
	}
}

// Configure takes the [backend.frr] table.
func (b *Backend) Configure(_ context.Context, c plugins.Config) error {
	s, err := newSettings(c)
	if err != nil {
		return err
	}
	b.settings, b.stateDir = s, c.StateDir
	b.vtysh = vtysh{program: s.VTYSH, args: s.args(), dir: c.StateDir}
	return b.vtysh.sweep()
}

// Close holds nothing to free: the piece stays in FRR, and so do the routes.
func (b *Backend) Close() error { return nil }

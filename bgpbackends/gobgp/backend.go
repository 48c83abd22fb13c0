// Package gobgp is the BGP backend that embeds a GoBGP v3 speaker in its
// process: it dials the configured peers, announces, and takes no route from
// anybody. It opens no port and needs nothing on the host.
//
// GoBGP's types stay in this package, so that another major version of it is
// one folder's work.
//
// GoBGP v3 reads what any configured peer sends, and a message of a type that
// RFC 4271 does not know ends its process (a nil dereference in a goroutine of
// its own). So this backend belongs into a process of its own, with no rights,
// and marks its goroutines so that a panic's trace names the peer.
package gobgp

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/stentor-net/stentor/bgpbackends/internal/bfd"
	"github.com/stentor-net/stentor/bgpbackends/internal/desired"
	"github.com/stentor-net/stentor/plugins"
)

// closeTime bounds Close; a session whose peer sent a full table takes seconds
// to take down.
const closeTime = 10 * time.Second

// version is that of the embedded GoBGP.
const version = "3.37.0"

// Backend is one embedded speaker. There can be only one in a process: GoBGP
// keeps its path selection options in package variables.
type Backend struct {
	log    *slog.Logger
	ledger *ledger
	bridge *bridge
	events *queue[transition]
	bfd    *bfd.Endpoint
	cuts   *queue[cut]
	hints  *hints
	began  time.Time

	life context.Context // ends with Close
	end  context.CancelFunc
	done sync.WaitGroup

	// mu guards what follows. GoBGP never calls back into it, so it may be
	// held across calls into GoBGP.
	mu       sync.Mutex
	bgp      *server.BgpServer              // nil before the first Apply that holds something
	stopping chan struct{}                  // closed when a StopBgp that was cut off has ended
	have     desired.Speaker                // what GoBGP was told, call by call
	shared   map[netip.Prefix]desired.Route // what the last Apply wanted announced
	sessions map[netip.Addr]*session
	tags     map[netip.Addr]uint32 // of peers, never given twice
	prepends map[int]struct{}      // every Prepend that was ever announced
	policy   policy                // as GoBGP has it
}

var _ plugins.BGPBackend = (*Backend)(nil)

// New makes a backend that logs to log. It does no I/O.
func New(log *slog.Logger) *Backend {
	b := &Backend{
		log:      log,
		events:   newQueue[transition](),
		bfd:      bfd.NewEndpoint(),
		cuts:     newQueue[cut](),
		hints:    newHints(),
		began:    time.Now(),
		have:     desired.Speaker{},
		sessions: map[netip.Addr]*session{},
		tags:     map[netip.Addr]uint32{},
		prepends: map[int]struct{}{},
	}
	b.ledger = newLedger(time.Now)
	b.bridge = &bridge{log: log, ledger: b.ledger, moved: b.events.put, told: b.hints.put}
	b.life, b.end = context.WithCancel(context.Background())
	return b
}

// Info tells name, version and capabilities.
func (b *Backend) Info() plugins.Info {
	return plugins.Info{
		Name:    "gobgp",
		Version: version,
		API:     plugins.APIVersion,
		Kind:    plugins.KindBGP,
		Caps: []plugins.Cap{
			plugins.CapMD5,
			plugins.CapTTLSecurity,
			plugins.CapMultihop,
			plugins.CapBFD,
			plugins.CapBFDAuth,
			plugins.CapGracefulRestart,
			plugins.CapLocalAddr,
			plugins.CapLargeCommunities,
			plugins.CapMED,
			plugins.CapLocalPref,
			plugins.CapPrepend,
			plugins.CapNextHop,
			plugins.CapPerPeer,
			plugins.CapUnprivileged,
		},
	}
}

// Configure takes an empty table: there is nothing to set.
func (b *Backend) Configure(_ context.Context, c plugins.Config) error {
	return c.Decode(&struct{}{})
}

// Detect always finds the backend fit.
func (b *Backend) Detect(context.Context) (plugins.Detection, error) {
	return plugins.Detection{Score: 10, Why: "embedded, needs nothing on the host"}, nil
}

// Close ends the sessions with a Cease, which makes the peers drop our routes;
// GoBGP can't end a session in any other way. With a peer that was offered
// graceful restart it leaves them to the end of the process instead: the
// kernel then closes the connections without a NOTIFICATION, and the peers
// keep the routes for the restart time (RFC 4724 §4.2). So the process should
// exit soon after.
//
// GoBGP's main loop can't be ended; it idles until the process does.
func (b *Backend) Close() error {
	b.end()
	b.done.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.bfd.Close() // after the Cease, which says more
	if b.bgp == nil || b.have.ASN == 0 {
		return nil
	}
	for _, p := range b.have.Peers {
		if p.GracefulRestart > 0 {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return b.stopSpeaker(ctx)
}

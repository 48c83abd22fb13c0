// Package bird is the BGP backend for hosts that run BIRD already: it keeps one
// file of its own among the files that bird.conf includes, and drives BIRD
// through its control socket. Nothing else of the operator's is written.
//
// The file lies in a folder that a reboot empties, so that a BIRD that starts
// before anybody has looked whether the addresses are on the host announces
// nothing; a restart of BIRD alone finds it and announces again.
package bird

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// Defaults of [backend.bird].
const (
	defaultSocket     = "/run/bird/bird.ctl"
	defaultIncludeDir = "/run"
)

// fileName is that of our file in include_dir.
const fileName = "stentor-bird.conf"

// Backend drives one BIRD.
type Backend struct {
	log      *slog.Logger
	socket   string
	file     ownFile
	stateDir string
	force    bool

	// step is called before each step that a crash could part from the next.
	// Tests end it there.
	step func(name string) error

	one sync.Mutex // held by an Apply: two at once would write the same file

	// mu guards what follows.
	mu      sync.Mutex
	want    speaker   // of the last Apply, or of a Plan that found it all there
	stirred time.Time // when Apply has last changed something
	notes   notes
}

var _ plugins.BGPBackend = (*Backend)(nil)

// New makes a backend that logs to log. It does no I/O.
func New(log *slog.Logger) *Backend {
	return &Backend{
		log: log, socket: defaultSocket,
		file:  ownFile{dir: defaultIncludeDir},
		step:  func(string) error { return nil },
		notes: newNotes(time.Now),
	}
}

// Info tells name, version and capabilities.
func (b *Backend) Info() plugins.Info {
	return plugins.Info{
		Name:    "bird",
		Version: "1",
		API:     plugins.APIVersion,
		Kind:    plugins.KindBGP,
		Caps: []plugins.Cap{
			plugins.CapMD5,
			plugins.CapTTLSecurity,
			plugins.CapMultihop,
			plugins.CapBFD,
			plugins.CapGracefulRestart,
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

// Configure reads the [backend.bird] table.
func (b *Backend) Configure(_ context.Context, c plugins.Config) error {
	settings := struct {
		Socket     string `json:"socket"`
		IncludeDir string `json:"include_dir"`
	}{defaultSocket, defaultIncludeDir}
	if err := c.Decode(&settings); err != nil {
		return err
	}
	for key, path := range map[string]string{"socket": settings.Socket, "include_dir": settings.IncludeDir} {
		if !filepath.IsAbs(path) {
			return &plugins.ConfigError{Key: key, Msg: "must be an absolute path"}
		}
		// It becomes a part of commands and of BIRD's configuration.
		if strings.ContainsAny(path, "\"*?[\\\n") {
			return &plugins.ConfigError{Key: key, Msg: "has a character that BIRD's configuration can't hold in a path"}
		}
	}
	b.socket, b.file.dir = settings.Socket, filepath.Clean(settings.IncludeDir)
	b.stateDir, b.force = c.StateDir, c.Force
	return nil
}

// Detect asks BIRD for its version.
func (b *Backend) Detect(ctx context.Context) (plugins.Detection, error) {
	s, err := dial(ctx, b.socket)
	signal := func(v string) []plugins.Signal { return []plugins.Signal{{Name: b.socket, Value: v}} }
	switch {
	case errors.Is(err, errDown):
		return plugins.Detection{Why: "BIRD does not run here", Signals: signal("nothing serves it")}, nil
	case errors.Is(err, plugins.ErrUnsupported):
		return plugins.Detection{Why: err.Error(), Signals: signal("served")}, nil
	case err != nil:
		return plugins.Detection{}, err
	}
	defer s.close()
	return plugins.Detection{Score: 95, Why: fmt.Sprintf("BIRD %s runs", s.version), Signals: signal("BIRD " + s.version.String())}, nil
}

// Close has nothing to free: BIRD announces on.
func (b *Backend) Close() error { return nil }

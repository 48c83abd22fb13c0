// Package host is core's side of a plugin: it finds the program, checks that
// nobody else can have changed it, runs it with as little as it needs, and gives
// a backend that core can't tell from a built-in.
package host

import (
	"log/slog"
	"time"
)

// Options say where plugins are, and how they are run. The zero value is what
// a daemon wants, but for the log.
type Options struct {
	// Dirs are the plugin folders, the first that has a name wins. Nil: Dirs().
	Dirs []string
	// RunDir is where each process gets a private folder for its socket. Empty:
	// /run/stentor if it can be written, else the folder for temporary files.
	RunDir string
	// PinFile lists the files that may run, as sha256sum(1) writes them: what
	// stands in it must have that sum. Empty: /etc/stentor/plugins.sha256.
	PinFile string
	// RequirePin refuses what does not stand in PinFile.
	RequirePin bool
	// NetNS is the file of a network namespace to run programs in, as ip-netns(8)
	// keeps them; empty is the daemon's own. The conformance suite needs it.
	NetNS string
	// KeepTrying has a program that does not come up tried again as one that has
	// ended is, and what it is to be configured with remembered; else its first
	// failure is the error of OpenNet and OpenBGP.
	KeepTrying bool
	// Background has OpenBGP not wait for the first process: calls do, and one
	// that does not come up is tried again, as KeepTrying says. Who sets it has
	// checked what the backend is to be configured with.
	Background bool
	Log        *slog.Logger // nil: none

	limits limits
}

// Dirs are the plugin folders of a host: the admin's own, the local system's,
// the packages'.
func Dirs() []string {
	return []string{"/etc/stentor/plugins", "/usr/local/libexec/stentor/plugins", "/usr/libexec/stentor/plugins"}
}

// defaultPinFile is where `require_pin` looks.
const defaultPinFile = "/etc/stentor/plugins.sha256"

// limits are the times that tests shorten.
type limits struct {
	start    time.Duration // until the handshake and the first answers
	ping     time.Duration // between two probes of a living process,
	pong     time.Duration // and how long its answer may take
	call     time.Duration // for a call whose caller set no time
	bye      time.Duration // between being asked to end and being killed
	retryMin time.Duration // before the first new start,
	retryMax time.Duration // and at most
	calm     time.Duration // a process that lived so long starts without delay again
}

func (o Options) withDefaults() Options {
	if o.Dirs == nil {
		o.Dirs = Dirs()
	}
	if o.PinFile == "" {
		o.PinFile = defaultPinFile
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.limits == (limits{}) {
		o.limits = limits{
			start: 10 * time.Second, ping: 10 * time.Second, pong: 10 * time.Second, call: 2 * time.Minute, bye: 2 * time.Second,
			retryMin: 100 * time.Millisecond, retryMax: 30 * time.Second, calm: time.Minute,
		}
	}
	return o
}

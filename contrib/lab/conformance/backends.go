package conformance

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// driven is a built-in backend with what it needs around it.
type driven struct {
	name     string
	needs    []string // programs
	settings func(host place) map[string]any
	daemon   func(host place) (plugintest.BGPDaemon, error) // nil: it speaks itself
	except   map[string]string
}

// backends are all that the suite runs on.
var backends = []driven{
	{
		name: "gobgp",
		except: map[string]string{
			"unknown-type": "GoBGP v3 ends its process; core runs it in one of its own and starts it again",
			"bad-marker":   "GoBGP v3 does not look at the marker",
		},
	},
	{name: "native"},
	{
		name:     "frr",
		needs:    []string{frrDir + "bgpd", vtysh},
		settings: frrSettings,
		daemon:   newFRR(frrOperator),
	},
	{
		name:     "bird",
		needs:    []string{birdPath},
		settings: birdSettings,
		daemon:   newBIRD,
	},
}

// open starts the backend's process on a host.
func (d driven) open(host place) (*remote, error) {
	log, err := os.OpenFile(filepath.Join(host.dir, d.name+"-backend.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	return open(d.name, log, func(cmd *exec.Cmd) error { return host.do(cmd.Start) })
}

// under puts a backend to the suite.
func (d driven) under() plugintest.BGP {
	at := func(host *plugintest.BGPHost) place { return place{dir: host.Dir, do: host.Do} }
	b := plugintest.BGP{
		Open: func(host *plugintest.BGPHost) (plugins.BGPBackend, error) {
			r, err := d.open(at(host))
			if err != nil {
				return nil, err // and no nil *remote
			}
			return r, nil
		},
		Kill:   func(b plugins.BGPBackend) error { return b.(*remote).kill() },
		Except: d.except,
	}
	if d.daemon == nil {
		b.PID = func(b plugins.BGPBackend) int { return b.(*remote).pid() }
		return b
	}
	b.Settings = func(host *plugintest.BGPHost) map[string]any { return d.settings(at(host)) }
	b.Daemon = func(host *plugintest.BGPHost) (plugintest.BGPDaemon, error) { return d.daemon(at(host)) }
	return b
}

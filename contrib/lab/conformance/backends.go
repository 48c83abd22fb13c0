package conformance

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// driven is a built-in backend with what it needs around it.
type driven struct {
	name     string
	needs    []string // programs
	settings func(host place) map[string]any
	daemon   func(host place) (plugintest.BGPDaemon, error) // nil: it speaks itself
	repeats  bool                                           // see plugintest.BGP
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
		repeats:  true, // when `bgp route-map delay-timer` runs out, 5 s after a new outbound route-map
		except: map[string]string{
			"med":              "FRR sends MED 0 with networks of its own that have none",
			"routes-from-peer": "FRR does not count what a policy drops",
		},
	},
	{
		name:     "bird",
		needs:    []string{birdPath},
		settings: birdSettings,
		daemon:   newBIRD,
	},
}

// Around gives what the suite needs around a built-in backend, for whoever opens
// that by himself: the daemon that it drives, its settings, and what is known of it.
func Around(name string) (plugintest.BGP, error) {
	i := slices.IndexFunc(backends, func(d driven) bool { return d.name == name })
	if i < 0 {
		return plugintest.BGP{}, fmt.Errorf("no built-in BGP backend is called %q", name)
	}
	d := backends[i]
	if missing := d.missing(); missing != "" {
		return plugintest.BGP{}, fmt.Errorf("%s drives a daemon that is not installed on this machine: there is no %s", name, missing)
	}
	return d.under(), nil
}

// missing is a program that the backend needs and this machine does not have.
func (d driven) missing() string {
	for _, program := range d.needs {
		if _, err := exec.LookPath(program); err != nil {
			return program
		}
	}
	return ""
}

// under puts a backend to the suite, in this process.
func (d driven) under() plugintest.BGP {
	at := func(host *plugintest.BGPHost) place { return place{dir: host.Dir, do: host.Do, netns: host.NetNS()} }
	b := plugintest.BGP{
		Open: func(*plugintest.BGPHost) (plugins.BGPBackend, error) {
			return builtin(d.name, slog.New(slog.DiscardHandler))
		},
		Repeats: d.repeats,
		Except:  d.except,
	}
	if d.daemon == nil {
		b.Here = true // it speaks itself, where this process is
		return b
	}
	b.Settings = func(host *plugintest.BGPHost) map[string]any { return d.settings(at(host)) }
	b.Daemon = func(host *plugintest.BGPHost) (plugintest.BGPDaemon, error) { return d.daemon(at(host)) }
	return b
}

// apart puts a backend to the suite, in a process of its own.
func (d driven) apart(p host.Program, o host.Options) plugintest.BGP {
	b := d.under()
	b.Here = false
	b.Open = func(h *plugintest.BGPHost) (plugins.BGPBackend, error) {
		return open(context.Background(), p, o, place{dir: h.Dir, do: h.Do, netns: h.NetNS()})
	}
	b.Kill = kill
	if d.daemon == nil {
		b.PID = pid
	}
	return b
}

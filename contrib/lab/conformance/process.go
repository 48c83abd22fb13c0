package conformance

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// serveArg has this program be the plugin of the backend that the next argument
// names, as [backend.NAME] isolate = true has the daemon's.
const serveArg = "plugin-serve"

// serve is the main function of a plugin.
func serve(name string) error {
	if _, err := builtin(name, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	serve := plugins.ServeBGP
	if name == string(lab.Native) {
		serve = plugins.ServeBGPLean // as stentor-native does
	}
	serve(func(log *slog.Logger) plugins.BGPBackend {
		b, _ := builtin(name, log) // it is there
		return b
	})
	return nil
}

// builtin finds a backend by its name.
func builtin(name string, log *slog.Logger) (plugins.BGPBackend, error) {
	for _, b := range bgpbackends.Builtin(log) {
		if b.Info().Name == name {
			return b, nil
		}
	}
	return nil, fmt.Errorf("no built-in BGP backend is called %q", name)
}

// isolated is this program with a backend in it.
func isolated(name string) (host.Program, error) {
	b, err := builtin(name, slog.New(slog.DiscardHandler))
	if err != nil {
		return host.Program{}, err
	}
	p := host.Own(b.Info(), serveArg, name)
	if b.Info().Has(plugins.CapUnprivileged) {
		p = p.Confined(host.LeastAccount())
	}
	return p, nil
}

// open starts a backend's process on a host.
func open(ctx context.Context, p host.Program, o host.Options, at place) (plugins.BGPBackend, error) {
	o.NetNS, o.RunDir = at.netns, at.dir
	b, err := host.OpenBGP(ctx, o, p)
	if err != nil {
		return nil, err // and no nil *host.BGP
	}
	return b, nil
}

// kill ends a backend's process at once.
func kill(b plugins.BGPBackend) error {
	return syscall.Kill(pid(b), syscall.SIGKILL)
}

func pid(b plugins.BGPBackend) int { return b.(*host.BGP).State().PID }

// programOf is what the suite starts by itself.
func programOf(p host.Program) (*plugintest.Program, error) {
	path, err := os.Executable()
	return &plugintest.Program{Path: path, Args: p.Args}, err
}

// Command verify runs the conformance suite for network backends on a built-in
// one, on the host where it is started: a throw-away one.
//
//	verify [-slowness N] BACKEND [KEY=VALUE...] [DIR...]
//
// KEY=VALUE are settings of its own table, and each DIR, an absolute path, is a
// folder where it keeps files. A slow machine gets N times the time.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/stentor-net/stentor/netbackends"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

func main() {
	slowness := flag.Int("slowness", 1, "how much longer than usual calls may take")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: verify [-slowness N] BACKEND [KEY=VALUE...] [DIR...]")
		os.Exit(2)
	}
	under := plugintest.Net{
		Open:     func() (plugins.NetBackend, error) { return open(flag.Arg(0)) },
		Settings: map[string]any{},
		Slowness: *slowness,
	}
	for _, arg := range flag.Args()[1:] {
		if key, value, ok := strings.Cut(arg, "="); ok && !strings.HasPrefix(arg, "/") {
			under.Settings[key] = value
		} else {
			under.Dirs = append(under.Dirs, arg)
		}
	}
	if !plugintest.RunNet(context.Background(), under, func(r plugintest.Result) { fmt.Println(r) }) {
		os.Exit(1)
	}
}

func open(name string) (plugins.NetBackend, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for _, b := range netbackends.Builtin(log) {
		if b.Info().Name == name {
			return b, nil
		}
	}
	return nil, fmt.Errorf("no built-in network backend is called %q", name)
}

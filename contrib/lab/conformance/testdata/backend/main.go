// Command backend is a built-in backend as a plugin: the one that it is called after.
package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/plugins"
)

func main() {
	name := filepath.Base(os.Args[0])
	for i, b := range bgpbackends.Builtin(slog.New(slog.DiscardHandler)) {
		if b.Info().Name == name {
			plugins.ServeBGP(func(log *slog.Logger) plugins.BGPBackend { return bgpbackends.Builtin(log)[i] })
			return
		}
	}
	fmt.Fprintf(os.Stderr, "no backend is called %q\n", name)
	os.Exit(1)
}

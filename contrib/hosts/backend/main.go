// Command backend is a built-in network backend as a plugin: the one that it is
// called after.
package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/stentor-net/stentor/netbackends"
	"github.com/stentor-net/stentor/plugins"
)

func main() {
	name := filepath.Base(os.Args[0])
	for i, b := range netbackends.Builtin(slog.New(slog.DiscardHandler)) {
		if b.Info().Name == name {
			plugins.ServeNet(func(log *slog.Logger) plugins.NetBackend { return netbackends.Builtin(log)[i] })
			return
		}
	}
	fmt.Fprintf(os.Stderr, "no network backend is called %q\n", name)
	os.Exit(1)
}

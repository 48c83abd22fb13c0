package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/plugins"
)

// release is set by the linker: -X main.release=1.2.3.
var release string

// version is the release, or the module's version, or what the tree was built from.
func version() string {
	if release != "" {
		return release
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}

func (a *app) version() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return control.Encode(a.out, map[string]any{"version": version(), "go": runtime.Version(), "plugin_api": plugins.APIVersion})
			}
			_, err := fmt.Fprintf(a.out, "stentor %s (%s, plugin API %d)\n", version(), runtime.Version(), plugins.APIVersion)
			return err
		},
	})
}

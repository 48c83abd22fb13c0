package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/plugins/host"
)

func (a *app) pluginsTrust(f *pluginFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "trust PATH|NAME",
		Short: "Pin a plugin's checksum: no other file may run in its place",
		Long: `Write the plugin's sha256 into the pin file. From then on it runs only as long
as it is that very file: after an upgrade of the plugin, trust it again.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.completeBackends(false),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := f.locate(args[0])
			if err != nil {
				return err
			}
			sum, err := host.Trust(f.options(), path)
			switch {
			case errors.Is(err, os.ErrPermission), errors.Is(err, os.ErrNotExist):
				return err
			case err != nil:
				return refused{err}
			}
			_, err = fmt.Fprintf(a.out, "pinned: %s  %s\n"+
				"Stentor now runs this plugin only as long as it is this very file. After an\nupgrade, run this again. To take it back, remove the line from %s.\n", sum, path, f.pins)
			return err
		},
	}
}

// locate gives the path of a plugin that may have another pin.
func (f *pluginFlags) locate(what string) (string, error) {
	if strings.Contains(what, "/") {
		return filepath.Abs(what)
	}
	dirs := f.dirs
	if dirs == nil {
		dirs = host.Dirs()
	}
	for _, dir := range dirs {
		path, err := filepath.Abs(filepath.Join(dir, what))
		if err != nil {
			return "", err
		}
		if _, err := os.Lstat(path); err == nil {
			return path, nil
		}
	}
	return "", usage("no plugin is called %q; see stentor plugins list, or give its path", what)
}

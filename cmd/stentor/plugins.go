package main

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
)

// pluginFlags say where plugins and their pins are.
type pluginFlags struct {
	dirs []string
	pins string
}

// plugins are the verbs about backends that others have written.
func (a *app) plugins() *cobra.Command {
	var f pluginFlags
	c := &cobra.Command{
		Use:   "plugins",
		Short: "List, test, trust and begin backends of others",
		Long: `A plugin is a backend in a program of its own: for a network stack or a BGP
speaker that Stentor does not know. It is started once the config names it.`,
	}
	c.PersistentFlags().StringArrayVar(&f.dirs, "dir", nil, "plugin folder `DIR`, several are asked in turn\n(default "+strings.Join(host.Dirs(), ", ")+")")
	c.PersistentFlags().StringVar(&f.pins, "pins", "/etc/stentor/plugins.sha256", "pin `FILE`: the sha256 of plugins that may run")
	c.PersistentPreRunE = func(*cobra.Command, []string) error {
		a.started = true // as the root's, which this one is instead of
		return f.complete()
	}
	c.AddCommand(a.pluginsList(&f), a.pluginsVerify(&f), a.pluginsTrust(&f), a.pluginsNew())
	return c
}

// complete makes the paths absolute: every folder above them is looked at.
func (f *pluginFlags) complete() (err error) {
	for i := range f.dirs {
		if f.dirs[i], err = filepath.Abs(f.dirs[i]); err != nil {
			return err
		}
	}
	f.pins, err = filepath.Abs(f.pins)
	return err
}

func (f *pluginFlags) options() host.Options {
	return host.Options{Dirs: f.dirs, PinFile: f.pins}
}

// program gives the plugin that a person means: a path has a slash.
func (f *pluginFlags) program(what string) (host.Program, error) {
	find := func() (host.Program, error) { return host.Find(f.options(), what) }
	if strings.Contains(what, "/") {
		path, err := filepath.Abs(what)
		if err != nil {
			return host.Program{}, err
		}
		find = func() (host.Program, error) { return host.At(f.options(), path) }
	}
	p, err := find()
	if errors.Is(err, host.ErrNone) {
		return p, usage("%w; see stentor plugins list, or give its path", err)
	} else if err != nil {
		return p, refused{err}
	}
	return p, nil
}

// refused is an error of something that this host does not allow.
type refused struct{ error }

func (r refused) Unwrap() error      { return r.error }
func (refused) Is(target error) bool { return target == plugins.ErrUnsupported }

package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/netbackends"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
)

// listed is a backend in plugins list, in its JSON form.
type listed struct {
	Name    string        `json:"name"`
	Kind    plugins.Kind  `json:"kind"` // empty if the manifest can't be read
	Version string        `json:"version"`
	API     int           `json:"api"`
	Caps    []plugins.Cap `json:"caps"`
	Builtin bool          `json:"builtin"`
	Path    string        `json:"path"` // empty if it is built in
	Pinned  bool          `json:"pinned"`
	Problem string        `json:"problem"` // why it can't be used; empty if it can
}

func (a *app) pluginsList(f *pluginFlags) *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use:   "list",
		Short: "Show the backends that the config can name",
		Long: `Show the backends that the config can name: the plugins in the plugin folders,
and the built-in ones. Nothing is started.

Exit code 0: all can be used; 4: a plugin has a problem.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			all := list(f.options())
			if a.json {
				if err := control.Encode(a.out, map[string]any{"backends": all}); err != nil {
					return err
				}
			} else {
				writeList(a.out, all)
			}
			for _, l := range all {
				if l.Problem != "" {
					return errNo
				}
			}
			return nil
		},
	})
}

// list are the plugins by name, then the built-ins.
func list(o host.Options) []listed {
	none := slog.New(slog.DiscardHandler)
	var builtins []plugins.Info
	for _, b := range netbackends.Builtin(none) {
		builtins = append(builtins, b.Info())
	}
	for _, b := range bgpbackends.Builtin(none) {
		builtins = append(builtins, b.Info())
	}
	taken := map[string]bool{}
	for _, i := range builtins {
		taken[i.Name] = true
	}
	all := []listed{}
	for _, name := range host.Names(o) {
		l := look(o, name)
		if l.Problem == "" && taken[name] {
			l.Problem = "a built-in backend has this name, and is the one that the config means; call the plugin otherwise"
		}
		all = append(all, l)
	}
	for _, i := range builtins {
		all = append(all, listed{Name: i.Name, Kind: i.Kind, Version: i.Version, API: i.API, Caps: caps(i.Caps), Builtin: true})
	}
	return all
}

// look reads what there is to know of a plugin that is not started.
func look(o host.Options, name string) listed {
	p, err := host.Find(o, name)
	l := listed{Name: name, Kind: p.Kind, Version: p.Version, API: p.API, Caps: caps(p.Caps), Path: p.Path}
	if err == nil || p.Path != "" {
		var e error
		l.Pinned, e = host.Pinned(o, p.Path)
		err = errors.Join(err, e)
	}
	if err != nil {
		l.Problem = err.Error()
	}
	return l
}

// caps is an empty list in JSON, and not null.
func caps(c []plugins.Cap) []plugins.Cap { return append([]plugins.Cap{}, c...) }

func writeList(w io.Writer, all []listed) {
	rows := [][]string{{"NAME", "KIND", "VERSION", "API", "PINNED", "PATH"}}
	for _, l := range all {
		row := []string{l.Name, string(l.Kind), l.Version, strconv.Itoa(l.API), "no", l.Path}
		switch {
		case l.Builtin:
			row[4], row[5] = "-", "built in"
		case l.Path == "":
			row[1], row[2], row[3], row[4], row[5] = "-", "-", "-", "-", "-"
		case l.Pinned:
			row[4] = "yes"
		}
		rows = append(rows, row)
	}
	for _, line := range columns(rows) {
		fmt.Fprintln(w, line)
	}
	for _, l := range all {
		if l.Problem != "" {
			fmt.Fprintf(w, "\n%s can't be used:\n%s\n", l.Name, indent(l.Problem))
		}
	}
}

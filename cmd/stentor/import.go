package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/migrate"
)

func (a *app) imports() *cobra.Command {
	c := &cobra.Command{
		Use:   "import",
		Short: "Print the config that equals another program's",
		Long: `Print the config that equals what another program was told, with comments on
what differs and on what could not be carried over. Nothing is changed; look at
it, then write it to the config file.`,
	}
	c.AddCommand(a.importLelastic(), a.importFRR(), a.importBIRD(), a.importKeepalived())
	return c
}

func (a *app) importLelastic() *cobra.Command {
	return &cobra.Command{
		Use:   "lelastic [UNIT | -- FLAGS...]",
		Short: "From lelastic's systemd unit, or its flags",
		Long: `Print the config that equals lelastic's flags and the addresses that it would
announce on this host. The flags are read from a systemd unit with its drop-ins
and environment files, ` + migrate.LelasticUnit + ` unless another is
named, or given after --.`,
		Example: `  stentor import lelastic
  stentor import lelastic -- -dcid 10 -primary`,
		RunE: func(cmd *cobra.Command, args []string) error {
			source, flags := "its command line", args
			if cmd.ArgsLenAtDash() != 0 {
				var err error
				if source, flags, err = unitArgs(args); err != nil {
					return err
				}
			}
			l, err := migrate.ParseLelastic(flags, a.talk)
			if err == nil && l.Version {
				err = errors.New("-version has lelastic print its version, and end")
			}
			if err != nil {
				return usage("%s: %w", source, err)
			}
			found, left, err := lelasticFinds(l)
			if err != nil {
				return err
			}
			text, err := l.Config(source, found, left)
			if err != nil {
				return err
			}
			_, err = a.out.Write(text)
			return err
		},
	}
}

// unitArgs gives the flags in the unit that args name.
func unitArgs(args []string) (source string, flags []string, err error) {
	unit := migrate.LelasticUnit
	switch {
	case len(args) > 1 || len(args) == 1 && strings.HasPrefix(args[0], "-"):
		return "", nil, usage("name one unit, or write -- before lelastic's flags")
	case len(args) == 1:
		if unit, err = filepath.Abs(args[0]); err != nil {
			return "", nil, err
		}
	}
	flags, err = migrate.UnitArgs(os.DirFS("/"), unit)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("%w; name lelastic's unit (systemctl cat lelastic shows it), or give its flags: stentor import lelastic -- -dcid NUMBER -primary", err)
	}
	return unit, flags, err
}

// lelasticFinds looks at this host as lelastic does.
func lelasticFinds(l migrate.Lelastic) ([]migrate.Found, []migrate.LeftOut, error) {
	view, err := host.Read()
	if err != nil {
		return nil, nil, err
	}
	found, left := l.Find(view, lelasticSource(l))
	return found, left, nil
}

// lelasticSource is the address from which this host reaches the route servers;
// zero where there is no way to them now, or only lo is looked at.
func lelasticSource(l migrate.Lelastic) netip.Addr {
	servers, err := l.Neighbors()
	if err != nil || !l.AllIfs {
		return netip.Addr{}
	}
	way, err := host.RouteTo(servers[0])
	if err != nil {
		return netip.Addr{}
	}
	return way.Source
}

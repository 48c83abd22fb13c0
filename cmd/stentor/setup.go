package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/daemon"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/plugins"
)

const (
	dropIn = "/etc/systemd/system/stentor.service.d/50-stentor-setup.conf"
	// setupMark is the first line of what setup writes, and of nobody else's file.
	setupMark = "# Written by \"stentor setup\": run it again when the config changes.\n"
)

func (a *app) setup() *cobra.Command {
	var toStdout bool
	var root string
	c := &cobra.Command{
		Use:   "setup",
		Short: "Fit the systemd unit to the config",
		Long: `Write a drop-in for stentor.service that fits its sandbox to the config: only
the folders of the chosen network backend can be written, the daemon is in the
group that may talk to FRR or BIRD, and at shutdown the routes are withdrawn
before services stop that have a check of their unit.

The drop-in is ` + dropIn + `.
Without it the unit works too, with the folders of every network stack.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.runSetup(cmd.Context(), root, toStdout)
		},
	}
	c.Flags().BoolVar(&toStdout, "print", false, "write to stdout, and no file")
	c.Flags().StringVar(&root, "root", "/", "write below this `DIR`, as for an image")
	return c
}

func (a *app) runSetup(ctx context.Context, root string, toStdout bool) error {
	reg := a.registry(a.quiet())
	defer reg.Close()
	cfg, _, err := config.Load(a.config, daemon.LoadOptions(reg, true))
	if err != nil {
		return err
	}
	network, err := a.namedBackend(ctx, cfg, root)
	if err != nil {
		return err
	}
	text := unitDropIn(cfg, network, groupsOf(root))
	if toStdout {
		_, err := fmt.Fprint(a.out, text)
		return err
	}
	path := filepath.Join(root, dropIn)
	switch before, err := os.ReadFile(path); {
	case err == nil && string(before) == text:
		fmt.Fprintf(a.out, "%s is as it should be\n", path)
		return nil
	case err == nil && !strings.HasPrefix(string(before), setupMark):
		return fmt.Errorf("%s is there, and was not written by stentor setup; move it away: %w", path, plugins.ErrForeign)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := replaceFile(path, text); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "wrote %s:\n\n%s", path, text)
	fmt.Fprintln(a.talk, "next: systemctl daemon-reload && systemctl restart stentor")
	return nil
}

// namedBackend is the network backend of the config, or what "auto" finds here.
func (a *app) namedBackend(ctx context.Context, cfg *config.Config, root string) (string, error) {
	if cfg.Network.Backend != registry.Auto {
		return cfg.Network.Backend, nil
	}
	if root != "/" {
		return "", usage(`--root: name the [network] backend in the config: "auto" would be that of this host`)
	}
	name, why, err := a.fittingBackend(ctx)
	if err == nil && name == "" {
		err = fmt.Errorf("no network backend fits: %s: %w", why, plugins.ErrUnsupported)
	}
	return name, err
}

// unitDropIn is the drop-in for a config, on a host with these groups: a unit
// that names a group which is not there does not start (systemd.exec(5)).
func unitDropIn(cfg *config.Config, network string, groups []string) string {
	var b strings.Builder
	b.WriteString(setupMark)
	if units := checkedUnits(cfg); len(units) > 0 {
		b.WriteString("[Unit]\n# What stops later still serves while the routes are withdrawn.\n")
		for _, u := range units {
			fmt.Fprintf(&b, "After=%s\n", u)
		}
		b.WriteString("\n")
	}
	b.WriteString("[Service]\n")
	if folders, known := backendFolders(network); known {
		fmt.Fprintf(&b, "# What the network backend %s writes, in place of what all of them do.\nReadWritePaths=\nReadWritePaths=/run /tmp /var/tmp\n", network)
		if len(folders) > 0 {
			fmt.Fprintf(&b, "ReadWritePaths=%s\n", strings.Join(folders, " "))
		}
	}
	if g := speakerGroup(cfg.BGP.Backend); slices.Contains(groups, g) {
		fmt.Fprintf(&b, "# It may open the control socket of %s.\nSupplementaryGroups=%s\n", cfg.BGP.Backend, g)
	}
	return b.String()
}

// backendFolders are below /etc; a plugin's are not known.
func backendFolders(network string) (folders []string, known bool) {
	switch network {
	case "iproute":
		return nil, true
	case "ifupdown":
		return []string{"/etc/network"}, true
	case "netplan":
		return []string{"/etc/netplan", "/etc/systemd/network"}, true
	case "networkd":
		return []string{"/etc/systemd/network"}, true
	case "networkmanager":
		return []string{"/etc/NetworkManager"}, true
	}
	return nil, false
}

// speakerGroup is who may open a speaker's control socket; empty if there is none.
func speakerGroup(backend string) string {
	return map[string]string{"frr": "frrvty", "bird": "bird"}[backend]
}

// checkedUnits are the units that checks ask about, sorted.
func checkedUnits(cfg *config.Config) []string {
	var units []string
	for _, s := range cfg.Checks {
		if u, ok := s.Probe.(health.Unit); ok {
			units = append(units, u.Name)
		}
	}
	slices.Sort(units)
	return slices.Compact(units)
}

// groupsOf are the groups of a root (group(5)).
func groupsOf(root string) []string {
	text, err := os.ReadFile(filepath.Join(root, "/etc/group"))
	if err != nil {
		return nil
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	return names
}

// replaceFile puts a whole file in place, and makes its folder.
func replaceFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp := path + ".new" // systemd reads *.conf alone
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeNew(temp, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

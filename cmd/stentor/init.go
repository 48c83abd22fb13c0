package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/core/survey"
)

func (a *app) init() *cobra.Command {
	var addresses []string
	var role string
	var toStdout, offline bool
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a first config for this host",
		Long: `Look at this host and write a config that fits it, with comments: who looks
after its addresses, the uplink, the cloud (Linode or Vultr, by the firmware's
name and the metadata service) and its data centre, shared IPs, and other
programs whose configuration can be imported. A file that is there stays.

What can't be known stands in the config as a value that "stentor check"
refuses. Exit code 0: the config is complete; 4: something is left to write.`,
		Example: `  stentor init --role primary --address 203.0.113.10/32
  stentor init --print`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if role != "" && role != "primary" && role != "secondary" {
				return usage("--role: want primary or secondary, not %q", role)
			}
			in := survey.Input{Files: os.DirFS("/"), Role: role}
			for _, text := range addresses {
				p, err := netip.ParsePrefix(text)
				if err != nil {
					return usage(`--address: %q is no address with a length, as in 203.0.113.10/32`, text)
				}
				in.Addresses = append(in.Addresses, p)
			}
			if !offline {
				in.Metadata = survey.LinkLocalMetadata()
			}
			return a.runInit(cmd.Context(), in, toStdout)
		},
	}
	c.Flags().StringArrayVar(&addresses, "address", nil, "a shared `IP/LEN`; can be given several times")
	c.Flags().StringVar(&role, "role", "", "what this host is for them: primary or secondary")
	c.Flags().BoolVar(&toStdout, "print", false, "write to stdout, and no file")
	c.Flags().BoolVar(&offline, "no-metadata", false, "don't ask the cloud's metadata service")
	return c
}

func (a *app) runInit(ctx context.Context, in survey.Input, toStdout bool) error {
	if _, err := os.Lstat(a.config); err == nil && !toStdout {
		return there(a.config)
	}
	var err error
	if in.View, err = host.Read(); err != nil {
		return err
	}
	if in.Network, in.Why, err = a.fittingBackend(ctx); err != nil {
		return err
	}
	facts := survey.Look(ctx, in)
	text, unknown := facts.Config()
	if toStdout {
		_, err = a.out.Write(text)
	} else if err = os.MkdirAll(filepath.Dir(a.config), 0o755); err == nil {
		err = writeNew(a.config, text, 0o644)
	}
	if errors.Is(err, fs.ErrExist) {
		return there(a.config)
	} else if err != nil {
		return err
	}
	a.tellInit(facts, unknown, toStdout)
	if len(unknown) > 0 {
		return errNo
	}
	return nil
}

func there(path string) error {
	return &control.Error{Kind: control.KindRefused, Message: path + " is there already, and was not touched; stentor init --print shows what would be written"}
}

// fittingBackend is what backend = "auto" would choose.
func (a *app) fittingBackend(ctx context.Context) (name, why string, err error) {
	// Asking needs a folder for what backends remember; nothing is left of it.
	dir, err := os.MkdirTemp("", "stentor-init-")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	reg := a.registryFor(a.quiet(), registry.Options{StateDir: dir})
	defer reg.Close()
	all := reg.Candidates(ctx, nil)
	best := all[0] // there are built-in ones
	switch {
	case best.Err != nil:
		return "", best.Err.Error(), nil
	case best.Score == 0:
		return "", best.Why, nil
	case len(all) > 1 && all[1].Score == best.Score:
		return "", fmt.Sprintf("%s and %s fit equally well", best.Name, all[1].Name), nil
	}
	return best.Name, best.Why, nil
}

// tellInit says what was done and what is next.
func (a *app) tellInit(f survey.Facts, unknown []string, toStdout bool) {
	if !toStdout {
		fmt.Fprintf(a.talk, "wrote %s\n", a.config)
	}
	for _, t := range f.Trouble {
		fmt.Fprintf(a.talk, "could not ask %s\n", t)
	}
	for _, o := range f.Others {
		fmt.Fprintf(a.talk, "%s is set up here: stentor import %s %s prints the config that equals it\n", o.Name, o.Name, o.Path)
	}
	for _, u := range unknown {
		fmt.Fprintf(a.talk, "left to write: %s\n", u)
	}
	if len(unknown) > 0 {
		fmt.Fprintln(a.talk, "then: stentor check")
	} else {
		fmt.Fprintln(a.talk, "next: stentor check, stentor diff")
	}
}

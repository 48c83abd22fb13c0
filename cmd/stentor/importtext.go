package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/core/migrate"
)

// convert reads one configuration; keys is the folder for its passwords.
type convert func(name string, text []byte, keys string) (migrate.Converted, error)

// keysDir is where the config looks for passwords.
const keysDir = "/etc/stentor"

func (a *app) importFRR() *cobra.Command {
	return a.importText("frr", "/etc/frr/frr.conf", `Print the config that equals what FRR announces: the BGP instance of the default
VRF with its neighbours and peer-groups, its networks, and the attributes that
route-maps set.`, migrate.FRR)
}

func (a *app) importBIRD() *cobra.Command {
	return a.importText("bird", "/etc/bird/bird.conf", `Print the config that equals what BIRD 2 announces: its BGP protocols and
templates, the static routes that they export, and the attributes that filters
set.`, migrate.BIRD)
}

func (a *app) importKeepalived() *cobra.Command {
	return a.importText("keepalived", "/etc/keepalived/keepalived.conf", `Print the VIPs and checks that equal keepalived's addresses and scripts. The BGP
peers are left to write.`, func(name string, text []byte, _ string) (migrate.Converted, error) {
		return migrate.Keepalived(name, text)
	})
}

func (a *app) importText(program, usual, long string, to convert) *cobra.Command {
	var keys string
	c := &cobra.Command{
		Use:   program + " [FILE]",
		Short: "From " + usual,
		Long:  long + " Without FILE it reads\n" + usual + "; - is stdin.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := append(args, usual)[0]
			text, err := a.readText(cmd.InOrStdin(), name)
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%w; name %s's configuration: stentor import %s FILE", err, program, program)
			} else if err != nil {
				return err
			}
			dir := keys
			if dir == "" {
				dir = keysDir
			} else if dir, err = filepath.Abs(dir); err != nil {
				return err
			}
			done, err := to(name, text, dir)
			if err != nil {
				return usageError{err}
			}
			if err := a.putAside(name, done.Secrets, keys != ""); err != nil {
				return err
			}
			_, err = a.out.Write(done.TOML)
			return err
		},
	}
	if program != "keepalived" { // whose passwords are VRRP's
		c.Flags().StringVar(&keys, "keys", "", "write the passwords to files in `DIR`, mode 0600")
	}
	return c
}

func (a *app) readText(stdin io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return migrate.Read(stdin, "stdin")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return migrate.Read(f, name)
}

// putAside writes passwords to files of their own if asked, and says where they
// belong. None of them is ever printed.
func (a *app) putAside(name string, secrets []migrate.Secret, write bool) error {
	for _, s := range secrets {
		if !write {
			fmt.Fprintf(a.talk, "%s:%d has a password, which was left out: write it to %s, mode 0600, or let --keys DIR do that\n", name, s.Line, s.File)
			continue
		}
		if err := writeNew(s.File, []byte(s.Text+"\n"), 0o600); err != nil {
			return err
		}
		fmt.Fprintf(a.talk, "wrote the password of %s:%d to %s\n", name, s.Line, s.File)
	}
	return nil
}

// writeNew writes a file that is not there yet.
func writeNew(path string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

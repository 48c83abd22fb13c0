package main

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/stentor-net/stentor/plugins"
)

//go:embed skeleton
var skeletons embed.FS

// skeleton is what the files of a new plugin are made of.
type skeleton struct {
	Name, Module, Go string
	Kind             plugins.Kind
	Serve, Section   string // Net or BGP; the table of the config
	API              int
	Path             string // the SDK's import path
	SDK              string // its folder, if not by the module proxy
}

// sdkPath is the one import path that a backend in Go needs.
const sdkPath = "github.com/stentor-net/stentor/plugins"

var backendName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

func (a *app) pluginsNew() *cobra.Command {
	var kind string
	s := skeleton{Go: "1.26.0", API: plugins.APIVersion, Path: sdkPath}
	c := &cobra.Command{
		Use:   "new DIR",
		Short: "Begin a plugin in Go, in a new folder",
		Long: `Write a plugin in Go that builds, and that passes "stentor plugins verify" but
for what is marked TODO. It is called like the folder.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			switch kind {
			case "net":
				s.Kind, s.Serve, s.Section = plugins.KindNet, "Net", "network"
			case "bgp":
				s.Kind, s.Serve, s.Section = plugins.KindBGP, "BGP", "bgp"
			default:
				return usage("say with --kind what it drives: net, a network stack, or bgp, a speaker")
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if s.Name = filepath.Base(dir); !backendName.MatchString(s.Name) {
				return usage("%q can't be the name of a backend: want up to 32 of a-z, 0-9, - and _", s.Name)
			}
			s.Module = "example.com/" + s.Name
			if s.SDK != "" {
				if s.SDK, err = filepath.Abs(s.SDK); err != nil {
					return err
				}
			}
			if err := s.write(kind, dir); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "%s: a %s backend to be written; README.md there says how to go on\n", dir, s.Kind)
			return err
		},
	}
	c.Flags().StringVar(&kind, "kind", "", "net or bgp: what the `KIND` of backend is")
	c.Flags().StringVar(&s.SDK, "sdk", "", "a `FOLDER` with the SDK, the plugins folder of Stentor's source; without it the\nGo module proxy has it")
	return c
}

// write makes the folder, which must not be there.
func (s skeleton) write(kind, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, from := range []string{"skeleton/both", "skeleton/" + kind} {
		files, err := fs.ReadDir(skeletons, from)
		if err != nil {
			return err
		}
		for _, f := range files {
			t, err := template.ParseFS(skeletons, path.Join(from, f.Name()))
			if err != nil {
				return err
			}
			var text bytes.Buffer
			if err := t.Execute(&text, s); err != nil {
				return err
			}
			name := strings.Replace(strings.TrimSuffix(f.Name(), ".tmpl"), "NAME", s.Name, 1)
			if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

package main

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// legal are files that have to come along with a module's code.
var legal = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)`)

// licenses collects the licences of all modules that are linked into the program.
func (b *build) licenses() error {
	info, err := buildinfo.ReadFile(b.program)
	if err != nil {
		return err
	}
	goRoot, err := command(nil, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	var out strings.Builder
	out.WriteString("Stentor contains these Go modules, as they were published under the names\nand versions below.\n")
	if err := licence(&out, "the Go standard library, "+info.GoVersion, strings.TrimSpace(string(goRoot))); err != nil {
		return err
	}
	for _, m := range info.Deps {
		if m.Sum == "" {
			continue // of this source
		}
		dir, err := command(nil, "go", "list", "-m", "-f", "{{.Dir}}", m.Path)
		if err == nil {
			err = licence(&out, m.Path+" "+m.Version, strings.TrimSpace(string(dir)))
		}
		if err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(b.stage, "licenses.txt"), []byte(out.String()), 0o644)
}

func licence(out *strings.Builder, what, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		if e.IsDir() || !legal.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s\n%s: %s\n\n%s\n", strings.Repeat("-", 78), what, e.Name(), text)
		found = true
	}
	if !found {
		return errors.New(what + " has no licence in " + dir)
	}
	return nil
}

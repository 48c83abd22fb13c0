package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"runtime"

	"github.com/stentor-net/stentor/contrib/man"
)

// common makes what is the same for every architecture, by asking a program
// that runs here.
func (b *build) common() error {
	if err := b.compile(runtime.GOARCH); err != nil {
		return err
	}
	for _, step := range []func() error{b.scripts, b.manual, b.completions, b.changelogs, b.licenses} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// scripts copies those of the packages: nfpm notes the time of their files.
func (b *build) scripts() error {
	dir := filepath.Join(b.stage, "scripts")
	if err := os.CopyFS(dir, os.DirFS("contrib/packaging/scripts")); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Chtimes(filepath.Join(dir, e.Name()), b.date, b.date); err != nil {
			return err
		}
	}
	return nil
}

// manual makes the pages, compressed: those of the verbs come from their help,
// that of the config from its reference.
func (b *build) manual() error {
	dir, err := filepath.Abs(filepath.Join(b.stage, "man"))
	if err == nil {
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil {
		return err
	}
	if _, err := command(nil, "go", "test", "-count=1", "-run=^TestManPages$", "./cmd/stentor", "-man", dir); err != nil {
		return err
	}
	reference, err := os.ReadFile("core/config/reference.toml")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "stentor.toml.5"), man.TOML(string(reference), b.date), 0o644)
	}
	if err != nil {
		return err
	}
	// That of lelastic is of another package.
	for page, to := range map[string]string{"contrib/man/stentor-plugin.7": dir, "contrib/packaging/lelastic.1": b.stage} {
		text, err := os.ReadFile(page)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, filepath.Base(page)), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if err := compress(filepath.Join(b.stage, "lelastic.1")); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		if err := compress(page); err != nil {
			return err
		}
	}
	return nil
}

// compress puts FILE.gz in the place of a file: without a name or a time in it.
func compress(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(path+".gz", out.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Remove(path)
}

func (b *build) completions() error {
	dir := filepath.Join(b.stage, "completions")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script, err := command(nil, b.program, "completion", shell)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, shell), script, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

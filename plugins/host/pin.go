package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Pinned tells whether the pin file has a sum for the program. Whether it is
// the program's own sum is what At tells.
func Pinned(o Options, path string) (bool, error) {
	o = o.withDefaults()
	pin, err := readPin(o.PinFile, path)
	return pin != "", err
}

// Trust writes the sum of the program at path into the pin file, in place of
// another one, and gives it. The program must be one that may run otherwise.
func Trust(o Options, path string) (sha256 string, err error) {
	o = o.withDefaults()
	prog, err := unpinned(path)
	if err != nil {
		return "", err
	}
	// Of what was checked, and not of what path may lead to by now.
	if sha256, err = sum(prog.Path); err != nil {
		return "", err
	}
	// What readPin refuses is not written over.
	if _, err := readPin(o.PinFile, prog.Path); err != nil {
		return "", fmt.Errorf("pin file: %w", err)
	}
	old, err := os.ReadFile(o.PinFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	text := repin(string(old), prog.Path, sha256)
	if text == string(old) {
		return sha256, nil
	}
	return sha256, replaceFile(o.PinFile, text)
}

// repin gives the pin file's text with the one pin, the comments first and then
// the pins by path.
func repin(text, path, sum string) string {
	var comments, pins []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case line[0] == '#':
			comments = append(comments, line)
		case pinPath(line) != path:
			pins = append(pins, line)
		}
	}
	pins = append(pins, sum+"  "+path)
	slices.SortStableFunc(pins, func(a, b string) int { return strings.Compare(pinPath(a), pinPath(b)) })
	return strings.Join(append(comments, pins...), "\n") + "\n"
}

// pinPath is the path in a line of sha256sum(1): after two spaces, or a space
// and a star for "binary".
func pinPath(line string) string {
	_, name, _ := strings.Cut(line, " ")
	return strings.TrimLeft(name, " *")
}

// replaceFile puts a file in place of another at once: who reads it, or comes
// back after a power cut, has the old one or the new one.
func replaceFile(path, text string) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

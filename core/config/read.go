package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	maxFileSize = 1 << 20
	maxFiles    = 1000 // in conf.d
)

// ErrNoFile says that there is no config. It is an fs.ErrNotExist too.
var ErrNoFile = errors.New("no config")

// noFile is an ErrNoFile that keeps what the file system said.
type noFile struct{ error }

func (noFile) Is(target error) bool { return target == ErrNoFile }
func (e noFile) Unwrap() error      { return e.error }

// readAll reads the main file and conf.d beside it. A file that can't be
// opened is an error; one that is no fit file is a finding.
func readAll(r *report, path string) ([]*source, error) {
	main, err := readFile(r, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, noFile{fmt.Errorf("there is no config at %s; write one, or name another by --config or STENTOR_CONFIG: %w", path, err)}
	case err != nil:
		return nil, openError(err)
	}
	sources := []*source{main}
	dir := filepath.Join(filepath.Dir(path), "conf.d")
	names, err := listDir(r, dir)
	if err != nil {
		return nil, openError(err)
	}
	for _, name := range names {
		src, err := readFile(r, filepath.Join(dir, name))
		if err != nil {
			return nil, openError(err)
		}
		src.order = len(sources)
		sources = append(sources, src)
	}
	return sources, nil
}

func openError(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the config can't be read by this user; run as root or as the service's user: %w", err)
	}
	return fmt.Errorf("the config can't be read: %w", err)
}

// listDir gives the names of the *.toml files in conf.d, in byte order. That
// there is no such folder is fine.
func listDir(r *report, dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		// Editors and package managers leave dotfiles and other suffixes behind.
		if strings.HasSuffix(e.Name(), ".toml") && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	if len(names) > maxFiles {
		r.fail(place{src: newSource(dir, nil)}, "join some of them", "%d files, and only %d are read", len(names), maxFiles)
		names = names[:maxFiles]
	}
	return names, nil
}

// readFile reads one file. What is wrong with the file itself is reported, and
// the source is empty then.
func readFile(r *report, path string) (*source, error) {
	// O_NONBLOCK: a FIFO that nobody writes to must not hold up a reload.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	src := newSource(path, nil)
	if !info.Mode().IsRegular() {
		r.fail(place{src: src}, "", "this is %s, not a regular file", fileKind(info.Mode()))
		src.unread = true
		return src, nil
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileSize {
		r.fail(place{src: src}, "split it into files in conf.d", "the file is larger than 1 MiB")
		src.unread = true
		return src, nil
	}
	return newSource(path, data), nil
}

func fileKind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

package hosts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// FileState is a file as it lies on a host.
type FileState struct {
	File
	Written time.Time
}

// Files reads all files below some folders of a host that is on.
func (h *Host) Files(dirs ...string) (map[string]FileState, error) {
	if h.box == nil {
		return nil, fmt.Errorf("hosts: %s is off", h)
	}
	root, err := h.root()
	if err != nil {
		return nil, err
	}
	all := map[string]FileState{}
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return ignoreMissing(err)
			}
			info, err := d.Info()
			if err != nil {
				return ignoreMissing(err)
			}
			s := FileState{File: File{Mode: info.Mode()}, Written: info.ModTime()}
			switch {
			case info.Mode().IsRegular():
				var b []byte
				b, err = os.ReadFile(path)
				s.Content = string(b)
			case info.Mode()&fs.ModeSymlink != 0:
				s.Content, err = os.Readlink(path)
			}
			if err != nil {
				return ignoreMissing(err)
			}
			all[strings.TrimPrefix(path, root)] = s
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("hosts: %w", err)
		}
	}
	return all, nil
}

// ignoreMissing: a file may go while we look.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

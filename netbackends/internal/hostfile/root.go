// Package hostfile writes whole files of our own into the folders of network
// stacks, so that a reader finds the old or the new one, and refuses to touch
// what is not ours.
package hostfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/stentor-net/stentor/plugins"
)

// maxSize bounds what is read of one file, in bytes: 10,000 addresses take 2 MB.
const maxSize = 8 << 20

// Root is the system whose files are meant: "/", or the folder of an image.
// Paths are absolute within it. No symlink is followed on the way to a file,
// so one planted in an image can't lead outside, and none is replaced.
type Root struct {
	Dir string
	// Step is called before each step that a crash or a full disk could part
	// from the next. Tests end it there; it may be nil.
	Step func(name string) error
}

func (r Root) step(name, file string) error {
	if r.Step == nil {
		return nil
	}
	return r.Step(name + " " + path.Base(file))
}

// Snapshot is a file as it was at one moment.
type Snapshot struct {
	Path   string      `json:"path"`
	Exists bool        `json:"exists"`
	Mode   fs.FileMode `json:"mode,omitempty"` // permission bits
	UID    int         `json:"uid,omitempty"`
	GID    int         `json:"gid,omitempty"`
	Body   []byte      `json:"body,omitempty"`
}

// Read takes a snapshot. A file that is not there is no error; a symlink, a
// folder or a device is a plugins.ErrForeign.
func (r Root) Read(name string) (Snapshot, error) {
	s := Snapshot{Path: name}
	root, err := os.OpenRoot(r.Dir)
	if err != nil {
		return s, err
	}
	defer root.Close()
	if err := r.checkFolders(root, name, false); errors.Is(err, fs.ErrNotExist) {
		return s, nil
	} else if err != nil {
		return s, err
	}
	before, err := root.Lstat(local(name))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	} else if err != nil {
		return s, err
	}
	if !before.Mode().IsRegular() {
		return s, fmt.Errorf("%s is %s, not a regular file: move it away: %w", r.at(name), kind(before.Mode()), plugins.ErrForeign)
	}
	replaced := fmt.Errorf("%s was replaced while it was read: %w", r.at(name), plugins.ErrUnavailable)
	f, err := root.Open(local(name))
	if errors.Is(err, fs.ErrNotExist) {
		return s, replaced
	} else if err != nil {
		return s, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return s, err
	}
	if !os.SameFile(before, st) {
		return s, replaced
	}
	s.Exists, s.Mode = true, st.Mode().Perm()
	if owner, ok := st.Sys().(*syscall.Stat_t); ok {
		s.UID, s.GID = int(owner.Uid), int(owner.Gid)
	}
	s.Body, err = io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(s.Body) > maxSize {
		err = fmt.Errorf("%s is larger than %d MiB", r.at(name), maxSize>>20)
	}
	return s, err
}

// checkFolders refuses a way to name that somebody else than root could bend.
// strict also refuses folders that others may write into.
func (r Root) checkFolders(root *os.Root, name string, strict bool) error {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		st, err := root.Lstat(local(dir))
		if err != nil {
			return err
		}
		if !st.IsDir() {
			return fmt.Errorf("%s, on the way to %s, is %s, not a folder: %w", r.at(dir), r.at(name), kind(st.Mode()), plugins.ErrForeign)
		}
		if owner, ok := st.Sys().(*syscall.Stat_t); strict && ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
			return fmt.Errorf("folder %s belongs to user %d, who could replace %s: chown root %s: %w",
				r.at(dir), owner.Uid, r.at(name), r.at(dir), plugins.ErrForeign)
		}
		if strict && st.Mode().Perm()&0o022 != 0 {
			return fmt.Errorf("folder %s may be written by others than its owner (mode %04o), who could replace %s: chmod go-w %s: %w",
				r.at(dir), st.Mode().Perm(), r.at(name), r.at(dir), plugins.ErrForeign)
		}
		if dir == "/" {
			return nil
		}
	}
}

func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symlink"
	case m.IsDir():
		return "a folder"
	default:
		return "a special file"
	}
}

// at is where name lies on this host, for people.
func (r Root) at(name string) string { return path.Join(r.Dir, name) }

// local is name as os.Root wants it.
func local(name string) string {
	if name == "/" {
		return "."
	}
	return name[1:]
}

// Same compares all that Write writes.
func (s Snapshot) Same(o Snapshot) bool {
	if !s.Exists || !o.Exists {
		return s.Exists == o.Exists
	}
	return s.Mode == o.Mode && s.UID == o.UID && s.GID == o.GID && bytes.Equal(s.Body, o.Body)
}

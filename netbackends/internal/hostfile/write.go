package hostfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
)

// Temp is the name under which a new file is written before it takes its
// place: in the same folder, so that the rename is atomic and the file gets the
// folder's SELinux type, and with a dot, which netplan, networkd, interfaces(5)
// and NetworkManager all skip. It is fixed, so that a crash leaves at most one,
// and the next write takes it over.
func Temp(name string) string {
	return path.Join(path.Dir(name), "."+path.Base(name)+".tmp-stentor")
}

// Write makes the file as s says, in one step, and returns when it would
// survive a power cut. ownFolder makes a missing folder. A snapshot of a file
// that does not exist removes it, and with ownFolder also the empty folder.
func (r Root) Write(s Snapshot, ownFolder bool) error {
	root, err := os.OpenRoot(r.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if s.Exists {
		err = r.replace(root, s, ownFolder)
	} else {
		err = r.remove(root, s.Path, ownFolder)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", r.at(s.Path), err)
	}
	return nil
}

func (r Root) replace(root *os.Root, s Snapshot, ownFolder bool) error {
	dir := path.Dir(s.Path)
	if ownFolder {
		if err := r.checkFolders(root, dir, true); err != nil {
			return err
		}
		if err := r.step("make the folder of", s.Path); err != nil {
			return err
		}
		if err := root.Mkdir(local(dir), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		} else if err == nil {
			// The umask may have taken bits that the stack's own user needs.
			if err := root.Chmod(local(dir), 0o755); err != nil {
				return err
			}
		}
	}
	if err := r.checkFolders(root, s.Path, true); err != nil {
		return err
	}
	if st, err := root.Lstat(local(s.Path)); err == nil && !st.Mode().IsRegular() {
		return fmt.Errorf("it is %s now", kind(st.Mode()))
	}
	temp := Temp(s.Path)
	if err := root.Remove(local(temp)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := r.fill(root, temp, s)
	if err == nil {
		err = r.step("rename", s.Path)
	}
	if err == nil {
		err = root.Rename(local(temp), local(s.Path))
	}
	if err != nil {
		_ = root.Remove(local(temp))
		return err
	}
	if err := r.step("sync the folder of", s.Path); err != nil {
		return err
	}
	return syncDir(root, dir)
}

// fill writes the temporary file. Mode and owner are right before there is any
// content to read.
func (r Root) fill(root *os.Root, temp string, s Snapshot) (err error) {
	if err := r.step("create", temp); err != nil {
		return err
	}
	f, err := root.OpenFile(local(temp), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Chown(s.UID, s.GID); err != nil {
		return err
	}
	if err := f.Chmod(s.Mode); err != nil {
		return err
	}
	if err := r.step("write", temp); err != nil {
		return err
	}
	if _, err := f.Write(s.Body); err != nil {
		return err
	}
	if err := r.step("sync", temp); err != nil {
		return err
	}
	return f.Sync()
}

func (r Root) remove(root *os.Root, name string, ownFolder bool) error {
	dir := path.Dir(name)
	if err := r.checkFolders(root, name, true); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := r.step("remove", name); err != nil {
		return err
	}
	for _, n := range []string{name, Temp(name)} {
		if err := root.Remove(local(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if ownFolder && r.empty(root, dir) {
		if err := r.step("remove the folder of", name); err != nil {
			return err
		}
		if err := root.Remove(local(dir)); err != nil {
			return err
		}
		dir = path.Dir(dir)
	}
	return syncDir(root, dir)
}

func (r Root) empty(root *os.Root, dir string) bool {
	f, err := root.Open(local(dir))
	if err != nil {
		return false
	}
	defer f.Close()
	names, err := f.Readdirnames(1)
	return len(names) == 0 && err != nil
}

// Leftover tells whether a write to name was cut off.
func (r Root) Leftover(name string) bool {
	root, err := os.OpenRoot(r.Dir)
	if err != nil {
		return false
	}
	defer root.Close()
	_, err = root.Lstat(local(Temp(name)))
	return err == nil
}

// syncDir makes a rename or removal last (fsync(2), NOTES).
func syncDir(root *os.Root, dir string) error {
	d, err := root.Open(local(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

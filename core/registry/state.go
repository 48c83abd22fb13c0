package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/stentor-net/stentor/plugins"
)

// stateDir makes the folder that is one backend's alone, and gives its path. That
// of a plugin which runs as another user belongs to that user.
func (r *Registry) stateDir(b plugins.Backend, name string) (string, error) {
	top, err := filepath.Abs(r.opts.StateDir) // a plugin has another working folder
	if err != nil {
		return "", err
	}
	above := filepath.Join(top, "backend")
	dir := filepath.Join(above, name)
	if err := os.MkdirAll(dir, 0o700); err != nil || os.Geteuid() != 0 {
		return dir, err
	}
	owner, err := r.owner(b)
	if err != nil {
		return "", err
	}
	if owner.name != "" {
		if err := openWay(owner.name, top, above); err != nil {
			return "", err
		}
	}
	return dir, handOver(dir, owner)
}

// account is who a folder shall belong to.
type account struct {
	name     string // empty: root, as we are
	uid, gid int
}

// owner is the user that the manifest of a plugin asks for. A built-in that runs
// as another user keeps nothing on disk.
func (r *Registry) owner(b plugins.Backend) (account, error) {
	own, ok := b.(processes)
	info := b.Info()
	if !ok || slices.ContainsFunc(r.infos(info.Kind), func(i plugins.Info) bool { return i.Name == info.Name }) {
		return account{}, nil
	}
	a := account{name: own.Processes()[0].User}
	if a.name == "" || a.name == "root" {
		return account{}, nil
	}
	u, err := user.Lookup(a.name)
	if err != nil {
		return a, err
	}
	var wrong error
	a.uid, err = strconv.Atoi(u.Uid)
	a.gid, wrong = strconv.Atoi(u.Gid)
	return a, errors.Join(err, wrong)
}

// openWay lets others pass through the folders of ours above a state folder.
// What is in them has modes of its own. The folders above ours are the admin's.
func openWay(user string, ours ...string) error {
	for _, dir := range ours {
		info, err := os.Stat(dir)
		if err == nil && info.Mode().Perm()&0o011 != 0o011 {
			err = os.Chmod(dir, info.Mode().Perm()|0o011)
		}
		if err != nil {
			return err
		}
	}
	for dir := filepath.Dir(ours[0]); dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("user %s can't get to it, as %s has mode %04o; run: chmod o+x %s", user, dir, info.Mode().Perm(), dir)
		}
	}
	return nil
}

// handOver gives a folder with all that is in it to its owner, if it is not the
// owner's yet. The folder itself comes last: it tells that the rest was done.
func handOver(dir string, to account) error {
	root, err := os.OpenRoot(dir) // lest a link in it leads elsewhere
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	if int(info.Sys().(*syscall.Stat_t).Uid) != to.uid {
		err = fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
			if err != nil || path == "." {
				return err
			}
			return root.Lchown(path, to.uid, to.gid)
		})
		if err == nil {
			err = root.Chown(".", to.uid, to.gid)
		}
	}
	return errors.Join(err, root.Chmod(".", 0o700))
}

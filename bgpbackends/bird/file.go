package bird

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/stentor-net/stentor/plugins"
)

// maxFile bounds what is read of one file: 10,000 prefixes take 1 MiB.
const maxFile = 16 << 20

// marker begins the first line of a file of ours; the checksum is of the rest.
const marker = "# managed by stentor; sha256="

// seal puts the line on top of body that makes a file ours.
func seal(body []byte) []byte {
	return fmt.Appendf(nil, "%s%x\n%s", marker, sha256.Sum256(body), body)
}

// content is a file as it was read.
type content struct {
	exists bool
	body   []byte // without the line of seal
	ours   bool   // has that line
	edited bool   // and was changed since
	open   bool   // to everybody
	raw    []byte
}

// parse looks whose a file is. A line of ours that is not the first one any
// more has been pushed down by an edit.
func parse(raw []byte) content {
	c := content{exists: true, raw: raw}
	first, rest, _ := bytes.Cut(raw, []byte("\n"))
	if sum, ok := bytes.CutPrefix(first, []byte(marker)); ok {
		c.ours, c.body = true, rest
		c.edited = fmt.Sprintf("%x", sha256.Sum256(rest)) != string(sum)
		return c
	}
	if bytes.Contains(raw, []byte("\n"+marker)) {
		c.ours, c.edited, c.body = true, true, raw
	}
	return c
}

// ownFile is the place of our file. BIRD includes it by a pattern, and no
// pattern matches the other names, which begin with a dot.
type ownFile struct{ dir string }

// pattern is what to include: BIRD does not start if a file of a fixed name, or
// the folder of a pattern, is missing, and takes it well if nothing matches.
func (f ownFile) pattern() string { return filepath.Join(f.dir, "stentor*.conf") }

func (f ownFile) path() string  { return filepath.Join(f.dir, fileName) }
func (f ownFile) temp() string  { return filepath.Join(f.dir, "."+fileName+".new") }
func (f ownFile) check() string { return filepath.Join(f.dir, "."+fileName+".check") }

// read gives our file; one that is not there is no error.
func (f ownFile) read() (content, error) {
	raw, err := readFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return content{}, nil
	}
	if err != nil {
		return content{}, err
	}
	st, err := os.Lstat(f.path())
	if err != nil {
		return content{}, err
	}
	c := parse(raw)
	c.open = st.Mode().Perm()&0o007 != 0
	if !c.ours {
		return c, fmt.Errorf("%s is there and has no header of ours: move it away: %w", f.path(), plugins.ErrForeign)
	}
	return c, nil
}

// leftover tells whether a write was cut off.
func (f ownFile) leftover() bool {
	for _, p := range []string{f.temp(), f.check()} {
		if _, err := os.Lstat(p); err == nil {
			return true
		}
	}
	return false
}

// reader is who shall be able to read our file, which has passwords in it.
type reader struct{ uid, gid int }

// readerOf takes BIRD's user from its control socket, which BIRD gives to the
// user and group that it runs as (its options -u and -g).
func readerOf(path string) (reader, error) {
	st, err := os.Stat(path)
	if err != nil {
		return reader{}, err
	}
	owner := st.Sys().(*syscall.Stat_t)
	return reader{int(owner.Uid), int(owner.Gid)}, nil
}

// write makes path hold raw, in one step, and returns when it would survive a
// power cut. Mode and owner are right before there is anything to read. BIRD's
// group may read; a BIRD that has a user and no group of its own owns the file.
func (f ownFile) write(path string, raw []byte, r reader) error {
	if err := os.Remove(f.temp()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w, err := os.OpenFile(f.temp(), os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	mode, uid := fs.FileMode(0o640), os.Geteuid()
	if r.gid == 0 {
		mode, uid = 0o600, r.uid
	}
	err = errors.Join(w.Chown(uid, r.gid), w.Chmod(mode))
	if err == nil {
		_, err = w.Write(raw)
	}
	err = errors.Join(err, w.Sync(), w.Close())
	if err == nil {
		err = os.Rename(f.temp(), path)
	}
	if err != nil {
		_ = os.Remove(f.temp())
		return err
	}
	return f.sync()
}

// remove takes the leftovers of writes away, and the file itself if it is ours.
func (f ownFile) remove(own bool) error {
	paths := []string{f.temp(), f.check()}
	if own {
		paths = append(paths, f.path())
	}
	for _, p := range paths {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return f.sync()
}

// sync makes a rename or removal last (fsync(2), NOTES).
func (f ownFile) sync() error {
	d, err := os.Open(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readFile reads a regular file of bounded size, and follows no link to it.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%s is a symlink: move it away: %w", path, plugins.ErrForeign)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file: move it away: %w", path, plugins.ErrForeign)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	return raw, err
}

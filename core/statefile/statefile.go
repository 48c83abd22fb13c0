// Package statefile keeps small JSON values on disk, so that a reader finds
// the old or the new one whole, whatever happens in between.
package statefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxSize bounds what Read takes in, and Write lets out: a state file of ours
// is far smaller.
const maxSize = 16 << 20

// Read decodes the file at path into v. A file that isn't there leaves v alone.
func Read(path string, v any) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if len(raw) > maxSize {
		return fmt.Errorf("read %s: larger than %d bytes; move it away and start again", path, maxSize)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("read %s: %w; move it away and start again", path, err)
	}
	return nil
}

// Write replaces the file at path by v's JSON, mode 0600, and returns once it
// would survive a power cut.
func Write(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if len(raw) >= maxSize {
		return fmt.Errorf("write %s: larger than %d bytes, which nobody could read again", path, maxSize)
	}
	dir := filepath.Dir(path)
	// The name is fixed, so that a crash leaves at most one, and the next Write
	// takes it over. The folder is ours alone: nobody plants a link there.
	tmp, err := os.OpenFile(filepath.Join(dir, "."+filepath.Base(path)+".tmp"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails, as it should, once the file was renamed
	defer tmp.Close()
	if _, err := tmp.Write(append(raw, '\n')); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	// The new name is safe only when the folder is on disk as well.
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

package networkmanager

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// netplanProfiles are what netplan's own build of NetworkManager keeps, beside
// the renderings in /run that it names as a profile's file.
const netplanProfiles = "/etc/netplan/90-NM-*.yaml"

// makeLast has the disk hold what NetworkManager wrote, or deleted: it does not
// see to that itself, and after a power cut its file can be there and empty.
func (s stored) makeLast() error {
	files := []string{s.file}
	if strings.HasPrefix(s.file, "/run/") {
		files, _ = filepath.Glob(netplanProfiles) // the pattern is good
	}
	var errs []error
	for _, path := range files {
		err := syncFile(path)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = syncDir(filepath.Dir(path))
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("make %s outlast a power cut: %w", s, err)
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// sweep removes an empty file at our profile's path, as a power cut leaves
// right after NetworkManager has written it. It takes no profile out of that,
// but would give ours another name beside it.
func (b *Backend) sweep() error {
	st, err := os.Lstat(b.file)
	if err != nil || !st.Mode().IsRegular() || st.Size() > 0 {
		return nil
	}
	return os.Remove(b.file)
}

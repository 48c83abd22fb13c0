package health

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// FindProgram gives the path of a program: a name without a slash is looked for
// in the usual folders. The program can be executed.
func FindProgram(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	for dir := range strings.SplitSeq(searchPath, ":") {
		path := filepath.Join(dir, name)
		if executable(path) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no program %q in %s", name, searchPath)
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no program %s", path)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no program", path)
	case unix.Access(path, unix.X_OK) != nil:
		return fmt.Errorf("%s can't be executed (mode %04o)", path, info.Mode().Perm())
	}
	return nil
}

// KnownUser gives an error unless this host has such a user.
func KnownUser(name string) error {
	_, err := credential(name)
	return err
}

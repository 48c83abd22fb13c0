package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Beside opens the program of that name which is installed with the running one:
// in the same folder, or in ../libexec/stentor from there. The error is
// fs.ErrNotExist if neither has it. Who keeps the file open has this very
// program, also when an upgrade has put another in its place.
func Beside(name string) (*os.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return beside(self, name)
}

func beside(self, name string) (*os.File, error) {
	dir := filepath.Dir(self)
	for _, path := range []string{filepath.Join(dir, name), filepath.Join(filepath.Dir(dir), "libexec/stentor", name)} {
		if err := trusted(path, true); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		return os.Open(path)
	}
	return nil, fmt.Errorf("%s beside %s: %w", name, self, fs.ErrNotExist)
}

// In is p, a built-in, in a program that serves it alone, and needs no argument
// for that. The file stays the caller's, who has to keep it open.
func (p Program) In(program *os.File) Program {
	p.Path, p.Args, p.name = fmt.Sprintf("/proc/self/fd/%d", program.Fd()), nil, filepath.Base(program.Name())
	return p
}

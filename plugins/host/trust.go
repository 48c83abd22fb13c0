package host

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// inFolder follows links, as long as they stay in the folder.
func inFolder(path string) (string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	if filepath.Dir(real) != dir {
		return "", fmt.Errorf("is a link to %s, outside its folder; copy the file instead", real)
	}
	return real, nil
}

// trusted tells why somebody else than root or this process's user could have
// written the file, or could put another one in its place.
func trusted(path string, program bool) error {
	if !filepath.IsAbs(path) { // what is above it depends on where we are
		return fmt.Errorf("%s: want an absolute path", path)
	}
	for p := path; ; p = filepath.Dir(p) {
		info, err := os.Lstat(p)
		if err != nil {
			return err
		}
		if err := trustedPart(p, info, p == path); err != nil {
			return err
		}
		if p == "/" {
			break
		}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if program && info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("can't be executed; run: chmod 755 %s", path)
	}
	return nil
}

func trustedPart(path string, info fs.FileInfo, last bool) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: its owner is not known", path)
	}
	mode := info.Mode()
	switch {
	case stat.Uid != 0 && int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to user %d; run: chown root %s", path, stat.Uid, path)
	case last && !mode.IsRegular():
		return fmt.Errorf("%s is no regular file", path)
	case mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 && last:
		return fmt.Errorf("%s is setuid or setgid; run: chmod u-s,g-s %s", path, path)
	// In a sticky folder nobody can replace what is not theirs, and what comes
	// below it has an owner of its own (inode(7)).
	case mode.Perm()&0o022 != 0 && (last || mode&fs.ModeSticky == 0):
		return fmt.Errorf("%s can be written by others (mode %04o); run: chmod go-w %s", path, mode.Perm(), path)
	}
	return nil
}

// pinned compares a program with its sum in the pin file.
func (o Options) pinned(path string) error {
	want, err := readPin(o.PinFile, path)
	if err != nil {
		return fmt.Errorf("plugin %s: its pin: %w", path, err)
	}
	if want == "" {
		if o.RequirePin {
			return fmt.Errorf("plugin %s: has no pin in %s, and require_pin is set; if you trust it, run: stentor plugins trust %s", path, o.PinFile, path)
		}
		return nil
	}
	have, err := sum(path)
	if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("plugin %s: is not the file that was pinned: its sha256 is %s, and %s says %s; if you trust the new one, run: stentor plugins trust %s", path, have, o.PinFile, want, path)
	}
	return nil
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readPin gives the last sum that the file has for path, "" if none.
func readPin(file, path string) (string, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	defer f.Close()
	if err := trusted(file, false); err != nil {
		return "", err
	}
	pin := ""
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		digest, name, ok := strings.Cut(line, " ")
		if raw, err := hex.DecodeString(digest); !ok || err != nil || len(raw) != sha256.Size {
			return "", fmt.Errorf("%s:%d: want a line as sha256sum writes it: SUM  PATH", file, n)
		}
		// Two spaces, or a space and a star for "binary".
		if strings.TrimLeft(name, " *") == path {
			pin = strings.ToLower(digest)
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return pin, nil
}

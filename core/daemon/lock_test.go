package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/core/control"
)

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var", "state")
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "lock"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want mode %o", path, info, err, mode)
		}
	}
	var refused *control.Error
	for range 2 { // a refused try takes nothing away from the holder
		if _, err := Lock(dir); !errors.As(err, &refused) || refused.Kind != control.KindRefused || !strings.Contains(err.Error(), dir) {
			t.Fatalf("a second lock: %v", err)
		}
	}
	if other, err := Lock(dir + "2"); err != nil {
		t.Errorf("another folder: %v", err)
	} else {
		other()
	}
	unlock()
	again, err := Lock(dir)
	if err != nil {
		t.Fatalf("after unlock: %v", err)
	}
	again()
}

func TestLockInTheWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "precious")
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if _, err := Lock(dir); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "precious" {
		t.Errorf("%q, %v", raw, err)
	}
}

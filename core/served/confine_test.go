package served

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// TestConfine has a process confine itself: it keeps its own folder, and loses
// every other file, of its user's too.
func TestConfine(t *testing.T) {
	if dir := os.Getenv("STENTOR_TEST_CONFINED"); dir != "" {
		confined(t, dir)
		return
	}
	if _, err := syscall.LandlockGetABIVersion(); err != nil {
		t.Skip("this kernel has no Landlock: ", err)
	}
	own, other := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestConfine$")
	cmd.Env = []string{"TMPDIR=" + own, "PLUGIN_UNIX_SOCKET_DIR=" + own, "STENTOR_TEST_CONFINED=" + other}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// confined is the process.
func confined(t *testing.T, other string) {
	if err := confine(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(other, "file"), "/etc/passwd", "/proc/self/status", "/dev/null"} {
		if _, err := os.ReadFile(path); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("it reads %s: %v", path, err)
		}
	}
	if _, err := os.ReadDir("/home"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("it lists /home: %v", err)
	}
	if err := os.WriteFile(filepath.Join(os.TempDir(), "file"), nil, 0o600); err != nil {
		t.Errorf("it can't write in its own folder: %v", err)
	}
}

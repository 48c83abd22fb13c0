package registry

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stentor-net/stentor/plugins"
)

// nobody is the user and group of that name on every Debian.
const nobody = 65534

// TestStateDirOfAnotherUser: a plugin that runs as another user can work in its
// folder, where nobody else can, and also in one that another user has had.
func TestStateDirOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to run a plugin as another user")
	}
	o, path := pluginFolder(t)
	state := filepath.Join(publicDir(t), "state")
	kept := filepath.Join(state, "backend/ok/kept")
	settings := map[string]map[string]any{"ok": {"keep": true}}
	run := func(account string) error {
		t.Helper()
		manifest := `{"name": "ok", "kind": "network", "version": "0.1", "api": 1, "caps": ["link"], "user": "` + account + `"}`
		if err := os.WriteFile(path+".json", []byte(manifest), 0o644); err != nil {
			t.Fatal(err)
		}
		r := New(nil, nil, Options{StateDir: state, Plugins: o})
		defer r.Close()
		_, _, err := r.OpenNet(t.Context(), "ok", settings)
		return err
	}
	for _, as := range []struct {
		account string
		uid     uint32
	}{{"", 0}, {"nobody", nobody}, {"", 0}} { // each writes over what the one before it has left
		if err := run(as.account); err != nil {
			t.Fatalf("user %q: %v", as.account, err)
		}
		for path, mode := range map[string]os.FileMode{filepath.Dir(kept): 0o700, kept: 0o600} {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if stat := info.Sys().(*syscall.Stat_t); stat.Uid != as.uid || stat.Gid != as.uid || info.Mode().Perm() != mode {
				t.Errorf("user %q: %s belongs to %d:%d with mode %04o", as.account, path, stat.Uid, stat.Gid, info.Mode().Perm())
			}
		}
	}
	for _, dir := range []string{state, filepath.Join(state, "backend")} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o711 {
			t.Errorf("%s: %v, %v: others may pass, and not look around", dir, info.Mode(), err)
		}
	}

	above := filepath.Dir(state)
	if err := os.Chmod(above, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := run("nobody"); err == nil || !strings.Contains(err.Error(), "user nobody can't get to it") || !strings.Contains(err.Error(), "chmod o+x "+above) {
		t.Errorf("below a closed folder of the admin's: %v", err)
	}
}

// TestStateDir is that of a backend in this process, also by a relative path.
func TestStateDir(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	a := netNamed("a", 10)
	r := New([]plugins.NetBackend{a}, nil, Options{StateDir: "state"})
	if _, _, err := r.OpenNet(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(here, "state/backend/a")
	if got := a.configs[0].StateDir; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, dir := range []string{want, filepath.Dir(want), filepath.Join(here, "state")} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
}

package host

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSweepSparesTheLiving: what a living plugin keeps in its folder beside its
// socket, a file or a socket that it closed, does not cost it the folder.
func TestSweepSparesTheLiving(t *testing.T) {
	run, err := os.MkdirTemp("", "sw") // short: a socket's path has 108 bytes (unix(7))
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(run)
	listen := func(dir, name string, stays bool) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(run, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(run, dir, name), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		if stays {
			t.Cleanup(func() { l.Close() })
			return
		}
		l.SetUnlinkOnClose(false)
		l.Close()
	}
	listen("plugin-dir-living", "plugin", true)
	listen("plugin-dir-living", "closed", false)
	listen("plugin-dir-dead", "plugin", false)
	for _, d := range []string{"plugin-dir-living", "plugin-dir-dead"} {
		if err := os.WriteFile(filepath.Join(run, d, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sweep(run)
	if _, err := os.Stat(filepath.Join(run, "plugin-dir-dead")); err != nil {
		t.Error("the folder of a plugin is gone that may be about to listen:", err)
	}
	for _, d := range []string{"plugin-dir-living", "plugin-dir-dead"} {
		old := time.Now().Add(-2 * unborn)
		if err := os.Chtimes(filepath.Join(run, d), old, old); err != nil {
			t.Fatal(err)
		}
	}
	sweep(run)
	if _, err := os.Stat(filepath.Join(run, "plugin-dir-living/file")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(run, "plugin-dir-dead")); err == nil {
		t.Error("the folder of a dead plugin is still there")
	}
}

// TestRunDir: with another account, a folder that this one can get to.
func TestRunDir(t *testing.T) {
	closed := t.TempDir() // of mode 0700 above it
	t.Setenv("TMPDIR", closed)
	if got := (Options{}).runDir(""); got != closed && got != "/run/stentor" {
		t.Error(got)
	}
	if got := (Options{}).runDir("nobody"); got != "/tmp" && got != "/run/stentor" {
		t.Error(got)
	}
	if got := (Options{RunDir: closed}).runDir("nobody"); got != closed {
		t.Error(got)
	}
}

// TestLongRunDir: a path that can't be a socket's is said to be too long.
func TestLongRunDir(t *testing.T) {
	r := newRig(t)
	r.install("ok")
	r.RunDir = filepath.Join(filepath.Dir(r.dir), "run", strings.Repeat("x", 60))
	if err := os.Mkdir(r.RunDir, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(r.RunDir)
	_, err := r.tryOpen("ok")
	r.says(err, "can't be started: the path of its socket would have ", "and can have 107", "TMPDIR")
}

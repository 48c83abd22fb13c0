package hostfile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/plugins"
)

func root(t *testing.T) hostfile.Root {
	t.Helper()
	r := hostfile.Root{Dir: t.TempDir()}
	if err := os.Chmod(r.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOwnerOf(t *testing.T) {
	ours := string(hostfile.Seal([]byte("a\nb\n")))
	for _, tt := range []struct {
		name, text string
		want       hostfile.Owner
	}{
		{"as written", ours, hostfile.Ours},
		{"empty body", string(hostfile.Seal(nil)), hostfile.Ours},
		{"a line more", ours + "c\n", hostfile.Edited},
		{"a line less", strings.Replace(ours, "a\n", "", 1), hostfile.Edited},
		{"a line on top", "# mine\n" + ours, hostfile.Edited},
		{"another sum", strings.Replace(ours, "sha256=", "sha256=0", 1), hostfile.Edited},
		{"none", "a\nb\n", hostfile.Foreign},
		{"empty", "", hostfile.Foreign},
		{"in the middle of a line", "x # managed by stentor; sha256=0\n", hostfile.Foreign},
	} {
		if got := hostfile.OwnerOf([]byte(tt.text)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestModeDoesNotHangOnTheUmask(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	r := root(t)
	s := hostfile.Private("/own/file", []byte("x"))
	s.Mode = 0o644
	if err := r.Write(s, true); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"own": fs.ModeDir | 0o755, "own/file": 0o644} {
		if st, err := os.Stat(filepath.Join(r.Dir, name)); err != nil || st.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", name, st.Mode(), err, want)
		}
	}
}

func TestModeIsMended(t *testing.T) {
	r := root(t)
	w := hostfile.Want{Path: "/file", Mode: 0o644, Body: []byte("x\n")}
	c, err := r.Compare(w)
	if err != nil || c == nil {
		t.Fatal(c, err)
	}
	if err := r.Write(c.After, false); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(r.Dir, "file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = r.Compare(w); err != nil || c == nil || c.Step().Diff != "mode 0600 -> 0644\n" || c.Edited {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestLeftoverIsTakenOver(t *testing.T) {
	r := root(t)
	if err := os.WriteFile(filepath.Join(r.Dir, hostfile.Temp("/file")), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := r.Compare(hostfile.Want{Path: "/file"})
	if err != nil || c == nil || c.Step().Verb != "remove" {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := r.Write(hostfile.Private("/file", []byte("x")), false); err != nil {
		t.Fatal(err)
	}
	if rest, err := os.ReadDir(r.Dir); err != nil || len(rest) != 1 {
		t.Errorf("left: %v, %v", rest, err)
	}
}

// TestFolderIsShared: what others put into a folder of ours keeps it there.
func TestFolderIsShared(t *testing.T) {
	r := root(t)
	if err := r.Write(hostfile.Private("/own/file", []byte("x")), true); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(r.Dir, "own/theirs")
	if err := os.WriteFile(theirs, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(hostfile.Private("/own/file", nil), true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
}

func TestSpecialFilesAreNotRead(t *testing.T) {
	for name, make := range map[string]func(string) error{
		"symlink": func(p string) error { return os.Symlink("/etc/passwd", p) },
		"pipe":    func(p string) error { return unix.Mkfifo(p, 0o600) },
		"folder":  func(p string) error { return os.Mkdir(p, 0o755) },
	} {
		r := root(t)
		if err := make(filepath.Join(r.Dir, "file")); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read("/file"); !errors.Is(err, plugins.ErrForeign) {
			t.Errorf("read a %s: %v", name, err)
		}
		if err := r.Write(hostfile.Private("/file", []byte("x")), false); err == nil {
			t.Errorf("wrote over a %s", name)
		}
	}
}

func TestFullDisk(t *testing.T) {
	r := root(t)
	small := filepath.Join(r.Dir, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=64k,mode=0755"); err != nil {
		t.Skipf("needs root: mount a small file system: %v", err)
	}
	defer func() { _ = unix.Unmount(small, 0) }()
	old := hostfile.Private("/small/file", []byte("old"))
	if err := r.Write(old, false); err != nil {
		t.Fatal(err)
	}
	err := r.Write(hostfile.Private("/small/file", make([]byte, 1<<20)), false)
	if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "/small/file") {
		t.Errorf("error %v", err)
	}
	if got, err := r.Read("/small/file"); err != nil || !got.Same(old) || r.Leftover("/small/file") {
		t.Errorf("after a full disk: %+v, %v", got, err)
	}
	if err := unix.Mount("", small, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(hostfile.Private("/small/file", []byte("new")), false); !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), "/small/file") {
		t.Errorf("error %v", err)
	}
}

// TestUnifiedIsWhatPatchTakes has patch(1) turn one text into another.
func TestUnifiedIsWhatPatchTakes(t *testing.T) {
	patch, err := exec.LookPath("patch")
	if err != nil {
		t.Skip("needs patch(1)")
	}
	dir := t.TempDir()
	text := rapid.Custom(func(t *rapid.T) string {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "", "-d", "+e", "\\ f"}), 0, 30).Draw(t, "lines")
		out := strings.Join(lines, "\n")
		if rapid.Bool().Draw(t, "end") && out != "" {
			out += "\n"
		}
		return out
	})
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		before, after := text.Draw(rt, "before"), text.Draw(rt, "after")
		diff := hostfile.Unified("/file", []byte(before), []byte(after))
		if (diff == "") != (before == after) {
			rt.Fatalf("diff %q", diff)
		}
		if diff == "" {
			return
		}
		n++
		file := filepath.Join(dir, fmt.Sprint(n))
		if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
			rt.Fatal(err)
		}
		cmd := exec.Command(patch, "--quiet", "--force", "--no-backup-if-mismatch", "--fuzz=0", file)
		cmd.Stdin = strings.NewReader(diff)
		if out, err := cmd.CombinedOutput(); err != nil {
			rt.Fatalf("patch: %v: %s\n%s", err, out, diff)
		}
		got, err := os.ReadFile(file)
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && after == "") || string(got) != after {
			rt.Fatalf("patched: %q, %v, want %q\n%s", got, err, after, diff)
		}
	})
}

func TestUnifiedOfLargeFiles(t *testing.T) {
	before, after := strings.Repeat("a\n", 5000), strings.Repeat("b\n", 5000)
	diff := hostfile.Unified("/file", []byte(before), []byte(after))
	if n := strings.Count(diff, "\n"); n != 10_003 {
		t.Errorf("%d lines", n)
	}
}

// TestFolderOfSomebodyElse: its owner could replace the file.
func TestFolderOfSomebodyElse(t *testing.T) {
	r := root(t)
	dir := filepath.Join(r.Dir, "theirs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 4711, 4711); err != nil {
		t.Skipf("needs root: give a folder away: %v", err)
	}
	if err := r.Write(hostfile.Private("/theirs/file", []byte("x")), false); !errors.Is(err, plugins.ErrForeign) || !strings.Contains(err.Error(), "chown root "+dir) {
		t.Errorf("error %v", err)
	}
}

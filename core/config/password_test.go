package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestPasswordFile(t *testing.T) {
	dir := t.TempDir()
	file := func(text string, mode os.FileMode) func(string) error {
		return func(path string) error {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				return err
			}
			return os.Chmod(path, mode)
		}
	}
	for i, c := range []struct {
		name, password, msg string
		make                func(path string) error
	}{
		{"plain", "hunter2", "", file("hunter2", 0o600)},
		{"newline", "hunter2", "", file("hunter2\n", 0o400)},
		{"CRLF", "hunter2", "", file("hunter2\r\n", 0o600)},
		{"blanks count", " hunter2 ", "", file(" hunter2 \n", 0o600)},
		{"longest", strings.Repeat("x", 80), "", file(strings.Repeat("x", 80)+"\r\n", 0o600)},
		{"too long", "", "longer than the 80 bytes", file(strings.Repeat("x", 81), 0o600)},
		{"huge", "", "longer than the 80 bytes", file(strings.Repeat("x", 1<<20), 0o600)},
		{"empty", "", "is empty", file("\n", 0o600)},
		{"two lines", "", "byte 8 is a control character", file("hunter2\nhunter2\n", 0o600)},
		{"NUL", "", "byte 8 is a control character", file("hunter2\x00", 0o600)},
		{"group", "", "others can read it (mode 0640)", file("hunter2", 0o640)},
		{"world", "", "others can read it (mode 0604)", file("hunter2", 0o604)},
		{"missing", "", "there is no such file", func(string) error { return nil }},
		{"directory", "", "is not a regular file", func(p string) error { return os.Mkdir(p, 0o700) }},
		{"fifo", "", "is not a regular file", func(p string) error { return syscall.Mkfifo(p, 0o600) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, strings.Repeat("k", i+1))
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			got, m := readSecret(path, "password", maxPassword)
			switch {
			case c.msg == "" && m != nil:
				t.Errorf("refused: %+v", m)
			case c.msg != "" && (m == nil || !strings.Contains(m.msg, c.msg)):
				t.Errorf("got %+v, want %q", m, c.msg)
			case m != nil && strings.Contains(m.msg+m.hint, "hunter"):
				t.Errorf("%+v tells the password", m)
			}
			if got != c.password {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestPasswordOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, m := readSecret(path, "password", maxPassword); m == nil || !strings.Contains(m.msg, "belongs to uid 65534") {
		t.Errorf("got %+v", m)
	}
}

func TestPasswordReachesThePeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "[bgp]\nasn = 65001\n[bgp.peer.a]\naddress = \"192.0.2.1\"\nasn = 64512\npassword_file = \"" + path + "\"\n"
	for _, offline := range []bool{false, true} {
		o := testOptions()
		o.Offline = offline
		cfg, _, err := load(&report{}, []*source{newSource("test.toml", []byte(text))}, o)
		if err != nil {
			t.Fatal(err)
		}
		want := "hunter2"
		if offline {
			want = ""
		}
		if got := cfg.BGP.Peers[0].Password; got != want {
			t.Errorf("offline %v: got %q", offline, got)
		}
	}
}

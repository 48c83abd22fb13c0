package main

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/plugins"
)

func sample(t *testing.T) script {
	t.Helper()
	s, err := newScript([]entry{
		{name: "web", addr: netip.MustParseAddr("198.51.100.10")},
		{name: "six", addr: netip.MustParseAddr("2001:db8::10"), adopted: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScriptIsReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stentor.start")
	want := sample(t)
	if err := want.write(path); err != nil {
		t.Fatal(err)
	}
	got, err := readScript(path)
	if err != nil || got.edited || len(got.entries) != 2 || got.entries[0] != want.entries[0] || got.entries[1] != want.entries[1] {
		t.Errorf("%+v, %v", got, err)
	}
	if err := (script{}).write(path); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestWhoseScriptItIs(t *testing.T) {
	ours := sample(t).text
	for name, tt := range map[string]struct {
		text    string
		foreign bool
		edited  bool
	}{
		"ours":      {text: ours},
		"edited":    {text: ours + "reboot\n", edited: true},
		"foreign":   {text: "#!/bin/sh\necho hello\n", foreign: true},
		"empty":     {text: "", foreign: true},
		"very long": {text: ours + strings.Repeat("#\n", maxScript), foreign: true},
	} {
		path := filepath.Join(t.TempDir(), "stentor.start")
		if err := os.WriteFile(path, []byte(tt.text), 0o755); err != nil {
			t.Fatal(err)
		}
		s, err := readScript(path)
		if errors.Is(err, plugins.ErrForeign) != tt.foreign || s.edited != tt.edited {
			t.Errorf("%s: edited %v, %v", name, s.edited, err)
		}
	}
}

// TestNamesCannotBreakOut: root runs the script.
func TestNamesCannotBreakOut(t *testing.T) {
	for _, name := range []string{"", "a b", "a\nreboot", "a;b", "$(id)", "ä"} {
		if s, err := newScript([]entry{{name: name, addr: netip.MustParseAddr("198.51.100.10")}}); err == nil {
			t.Errorf("%q stands in:\n%s", name, s.text)
		}
	}
}

func FuzzParseScript(f *testing.F) {
	s, err := newScript([]entry{{name: "web", addr: netip.MustParseAddr("198.51.100.10")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.text)
	f.Add(s.text + "ip address replace ::1/128 dev lo # x\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseScript(text)
		if err != nil {
			return
		}
		again, err := newScript(s.entries)
		if err != nil {
			t.Fatalf("what was read can't be written: %v", err)
		}
		if len(s.entries) > 0 && !s.edited && again.text != text && len(again.entries) != len(s.entries) {
			t.Errorf("read:\n%s\nwritten:\n%s", text, again.text)
		}
	})
}

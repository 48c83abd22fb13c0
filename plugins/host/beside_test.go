package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stentor-net/stentor/plugins"
)

// TestBeside: a program of ours is found where `make build` and the packages put
// it, if nobody else could have put it there.
func TestBeside(t *testing.T) {
	tests := map[string]struct {
		at   string
		mode os.FileMode
		want string // of the path or the error
	}{
		"the same folder":     {"bin/lean", 0o755, "bin/lean"},
		"libexec":             {"libexec/stentor/lean", 0o755, "libexec/stentor/lean"},
		"none":                {"libexec/lean", 0o755, "lean beside "},
		"anybody may write":   {"bin/lean", 0o777, "can be written by others"},
		"can't be run":        {"bin/lean", 0o644, "can't be executed"},
		"so not the next one": {"bin/lean", 0o644, "chmod 755"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			path := filepath.Join(r.dir, tt.at)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			r.write(path, nil, tt.mode)
			f, err := beside(filepath.Join(r.dir, "bin/stentor"), "lean")
			if err == nil {
				defer f.Close()
				if !strings.HasSuffix(f.Name(), tt.want) {
					t.Errorf("found %s", f.Name())
				}
			} else if !strings.Contains(err.Error(), tt.want) || errors.Is(err, fs.ErrNotExist) != (name == "none") {
				t.Errorf("error %q, want %q", err, tt.want)
			}
		})
	}
}

// TestIn: the program that was opened runs, again and again, whatever an upgrade
// puts in its place.
func TestIn(t *testing.T) {
	r := newRig(t)
	path := r.install("ok")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.write(path, []byte("#!/bin/sh\nexit 9\n"), 0o755)
	info := plugins.Info{Name: "ok", Kind: plugins.KindNet, Version: "0.1", API: 1}
	b, err := OpenNet(t.Context(), r.Options, Own(info, "unused").In(f))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	first := b.State().PID
	if title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", first)); err != nil || string(title) != "ok\x00" {
		t.Errorf("ps shows %q, %v", title, err)
	}
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.eventually("another process", func() bool { s := b.State(); return s.PID != 0 && s.PID != first })
}

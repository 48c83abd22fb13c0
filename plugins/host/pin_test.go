package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTrust(t *testing.T) {
	r := newRig(t)
	r.PinFile = filepath.Join(r.dir, "etc", "pins")
	r.RequirePin = true
	one, two := r.install("one"), r.install("two")
	if _, err := At(r.Options, one); err == nil || !strings.Contains(err.Error(), "has no pin") {
		t.Errorf("not pinned: %v", err)
	}
	for _, path := range []string{two, one, two} {
		sum, err := Trust(r.Options, path)
		if err != nil || len(sum) != 64 {
			t.Fatal(sum, err)
		}
	}
	text, err := os.ReadFile(r.PinFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "  "+one) || !strings.HasSuffix(lines[1], "  "+two) {
		t.Errorf("want one pin for each, by path:\n%s", text)
	}
	if info, err := os.Stat(r.PinFile); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, path := range []string{one, two} {
		if _, err := At(r.Options, path); err != nil {
			t.Error(err)
		}
		if ok, err := Pinned(r.Options, path); !ok || err != nil {
			t.Error(ok, err)
		}
	}
	r.write(two, []byte("#!/bin/sh\n"), 0o755)
	_, err = At(r.Options, two)
	r.says(err, "is not the file that was pinned")
	if _, err := Trust(r.Options, two); err != nil {
		t.Fatal(err)
	}
	if _, err := At(r.Options, two); err != nil {
		t.Errorf("trusted anew: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(r.PinFile), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestTrustRefuses: what may not run is not pinned, and a pin file that is not
// understood is not written over.
func TestTrustRefuses(t *testing.T) {
	r := newRig(t)
	path := r.install("one")
	if err := os.WriteFile(r.PinFile, []byte("what is this\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Trust(r.Options, path)
	r.says(err, r.PinFile+":1", "SUM  PATH")
	if err := os.Remove(r.PinFile); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err = Trust(r.Options, path)
	r.says(err, "can be written by others", "chmod go-w")
	if _, err := os.Stat(r.PinFile); err == nil {
		t.Error("a pin file was made for nothing")
	}
}

func TestRepin(t *testing.T) {
	sum := strings.Repeat("a", 64)
	old := "# ours\n\n" + sum + " */p/b\n" + sum + "  /p/a b\n"
	want := "# ours\n" + sum + "  /p/a\n" + sum + "  /p/a b\n" + sum + " */p/b\n"
	if got := repin(old, "/p/a", sum); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

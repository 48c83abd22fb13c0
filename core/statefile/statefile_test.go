package statefile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	got := map[string]int{"untouched": 1}
	if err := Read(path, &got); err != nil || got["untouched"] != 1 {
		t.Fatalf("a file that isn't there: %v, %v", got, err)
	}
	if err := Write(path, map[string]int{"a": 2}); err != nil {
		t.Fatal(err)
	}
	got = nil
	if err := Read(path, &got); err != nil || got["a"] != 2 {
		t.Errorf("%v, %v", got, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestReadRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	for name, text := range map[string]string{"no JSON": "{", "too large": `"` + strings.Repeat("x", maxSize) + `"`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var v any
		if err := Read(path, &v); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWriteFails: the old value stays when the new one can't be written.
func TestWriteFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	if err := Write(path, 1); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, func() {}); err == nil {
		t.Error("a function was written as JSON")
	}
	if err := Write(filepath.Join(path, "below-a-file"), 2); err == nil {
		t.Error("written below a file")
	}
	var got int
	if err := Read(path, &got); err != nil || got != 1 {
		t.Errorf("%d, %v", got, err)
	}
}

// TestTooLarge: what could not be read again is not written.
func TestTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	if err := Write(path, "old"); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, strings.Repeat("x", maxSize)); err == nil {
		t.Error("it was written")
	}
	var got string
	if err := Read(path, &got); err != nil || got != "old" {
		t.Errorf("%q, %v", got, err)
	}
}

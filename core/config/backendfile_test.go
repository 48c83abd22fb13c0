package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadBackends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[backend.acme]\nfile = \"/x\"\nn = 3\n")
	got, err := ReadBackends(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]map[string]any{"acme": {"file": "/x", "n": int64(3)}}, got); d != "" {
		t.Error(d)
	}
	write("[backend.acme]\nfile =\n")
	var invalid *Invalid
	if _, err := ReadBackends(path); !errors.As(err, &invalid) || invalid.Findings[0].Line != 2 {
		t.Errorf("%v, want a finding in line 2", err)
	}
	if _, err := ReadBackends(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

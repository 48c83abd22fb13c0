package hostfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestScratch: copies are nobody else's to read, and those of a killed process
// are gone with the next use or sweep, but none that is in use.
func TestScratch(t *testing.T) {
	s := Scratch{Dir: t.TempDir()}
	left := func() []os.DirEntry {
		t.Helper()
		all, err := os.ReadDir(s.Dir)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	litter := func() {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(s.path(), "etc", "netplan"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	litter()
	failed := errors.New("no")
	err := s.Use(t.Context(), func(dir string) error {
		if rest, err := os.ReadDir(dir); err != nil || len(rest) > 0 {
			t.Errorf("it is not empty: %v, %v", rest, err)
		}
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", st.Mode(), err)
		}
		if err := s.Sweep(); err != nil || len(left()) != 1 {
			t.Errorf("a folder in use was swept: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Use(ctx, func(string) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("two at a time: %v", err)
		}
		return failed
	})
	if !errors.Is(err, failed) || len(left()) > 0 {
		t.Errorf("%v, left %v", err, left())
	}
	litter()
	if err := s.Sweep(); err != nil || len(left()) > 0 {
		t.Errorf("%v, left %v", err, left())
	}
}

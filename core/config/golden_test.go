package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGolden loads testdata/golden/NAME/stentor.toml and compares what a
// person reads with want.txt: the warnings or the error.
func TestGolden(t *testing.T) {
	dirs, err := filepath.Glob("testdata/golden/*")
	if err != nil || len(dirs) < 20 {
		t.Fatalf("found %d cases: %v", len(dirs), err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Chdir(filepath.Join(root, dir))
			_, warnings, err := Load("stentor.toml", testOptions())
			got := (&Invalid{Findings: warnings}).Error() + "\n"
			var invalid *Invalid
			switch {
			case errors.As(err, &invalid):
				got = err.Error() + "\n"
				if !slices.IsSortedFunc(invalid.Findings, byPos) {
					t.Error("the findings are not sorted")
				}
			case err != nil:
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile("want.txt", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile("want.txt")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("want.txt (-) and now (+):\n%s", diff)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("a secret is in the message")
			}
		})
	}
}

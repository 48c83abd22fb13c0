package changelog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := Parse("# Changelog\n\n- no entry\n\n## Unreleased\n\n### Added\n\n- one,\n  in two lines\n- two\n\n### Fixed\n\n- three\n\n## [1.1.0] - 2026-01-02\n\n- four\n\n## 1.0.0\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []Version{
		{Name: "Unreleased", Notes: []string{"one, in two lines", "two", "three"}},
		{Name: "1.1.0", Date: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Notes: []string{"four"}},
		{Name: "1.0.0"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !got[0].Unreleased() || got[1].Unreleased() {
		t.Error("the first is unreleased, and the others are not")
	}
	if _, err := Parse("## [1.0.0] - 2026-99-01\n- x\n"); err == nil || !strings.Contains(err.Error(), "month out of range") {
		t.Errorf("a wrong date: %v", err)
	}
}

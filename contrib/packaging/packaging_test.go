package main

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/migrate"
)

func TestEntries(t *testing.T) {
	day := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	const text = "# Changelog\n\n- no entry\n\n## Unreleased\n\n### Added\n\n- one,\n  in two lines\n- two\n\n## [1.1.0] - 2026-01-02\n\n- three\n\n## [1.0.0] - 2025-01-02\n\n- four\n"
	released := strings.Replace(text, "## Unreleased\n\n### Added\n\n- one,\n  in two lines\n- two\n", "## Unreleased\n", 1)
	old := []entry{
		{"1.1.0", day("2026-01-02"), packager, []change{{"three"}}},
		{"1.0.0", day("2025-01-02"), packager, []change{{"four"}}},
	}
	next := entry{"1.2.0-rc.1", day("2026-11-22"), packager, []change{{"one, in two lines"}, {"two"}}}
	for _, c := range []struct {
		name, text, version string
		want                []entry
		err                 string
	}{
		{name: "before a release", text: text, version: "1.2.0-rc.1", want: append([]entry{next}, old...)},
		{name: "a release", text: released, version: "1.1.0", want: old},
		{name: "another version", text: released, version: "1.2.0", err: "CHANGELOG.md begins with 1.1.0, and this is 1.2.0"},
		{name: "no date", text: "## 1.1.0\n\n- one\n", version: "1.1.0", want: []entry{{"1.1.0", day("2026-11-22"), packager, []change{{"one"}}}}},
		{name: "nothing", text: "# Changelog\n", version: "1.0.0", err: "no change"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := entriesOf(c.text, c.version, day("2026-11-22"))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("want an error with %q, got %v", c.err, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBill(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Path: "example.com/app"}, Deps: []*debug.Module{
		{Path: "example.com/lib", Version: "v1.0.0", Sum: "h1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
		{Path: "example.com/sdk", Version: "v0.0.0", Replace: &debug.Module{Path: "./sdk"}},
	}}
	text, err := bill(info, "1.2.3+b1")
	if err != nil {
		t.Fatal(err)
	}
	var got document
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	of := func(kind, name, version, purl string, hashes ...hash) component {
		return component{Type: kind, Ref: purl, Name: name, Version: version, PURL: purl, Hashes: hashes}
	}
	want := document{
		Format: "CycloneDX", Spec: "1.5", Version: 1,
		Metadata: metadata{of("application", "example.com/app", "1.2.3+b1", "pkg:golang/example.com/app@1.2.3%2Bb1")},
		Components: []component{
			of("library", "std", "1.26.8", "pkg:golang/std@1.26.8"),
			of("library", "example.com/lib", "v1.0.0", "pkg:golang/example.com/lib@v1.0.0",
				hash{"SHA-256", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}),
			of("library", "example.com/sdk", "1.2.3+b1", "pkg:golang/example.com/sdk@1.2.3%2Bb1"),
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDebianChangelog(t *testing.T) {
	long := strings.Repeat("word ", 20)
	got := debian([]entry{
		{"1.1.0-rc.1", time.Unix(1700000000, 0).UTC(), packager, []change{{long}, {"two"}}},
		{"1.0.0", time.Unix(1600000000, 0).UTC(), packager, []change{{"three"}}},
	})
	want := "stentor (1.1.0~rc.1-1) unstable; urgency=medium\n\n" +
		"  * " + strings.TrimSpace(strings.Repeat("word ", 15)) + "\n    " + strings.TrimSpace(strings.Repeat("word ", 5)) + "\n  * two\n" +
		"\n -- " + packager + "  Tue, 14 Nov 2023 22:13:20 +0000\n\n" +
		"stentor (1.0.0-1) unstable; urgency=medium\n\n  * three\n" +
		"\n -- " + packager + "  Sun, 13 Sep 2020 12:26:40 +0000\n"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestVersionFor(t *testing.T) {
	for _, c := range []struct{ format, version, want string }{
		{"deb", "1.2.0", "1.2.0"},
		{"apk", "1.2.0", "1.2.0"},
		{"deb", "1.2.0-rc.1", "1.2.0~rc.1"},
		{"rpm", "1.2.0-beta2", "1.2.0~beta2"},
		{"apk", "1.2.0-rc.1", "1.2.0_rc1"},
		{"apk", "0.0.0-git20261122170524", "0.0.0_git20261122170524"},
		{"archlinux", "1.2.0-alpha.1", "1.2.0alpha1"},
		{"deb", "", ""},
		{"deb", "v1.2.0", ""},
		{"deb", "1.2", ""},
		{"deb", "1.2.0-nightly.1", ""},
		{"deb", "1.2.0-rc", ""},
		{"deb", "1.2.0+b1", ""},
	} {
		got, err := versionFor(c.format, c.version)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s of %q: %q, %v; want %q", c.format, c.version, got, err, c.want)
		}
	}
}

// TestLelasticPage holds the manual page to the flags that there are.
func TestLelasticPage(t *testing.T) {
	page, err := os.ReadFile("lelastic.1")
	if err != nil {
		t.Fatal(err)
	}
	var help strings.Builder
	if _, err := migrate.ParseLelastic([]string{"-h"}, &help); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	flags := regexp.MustCompile(`(?m)^  -(\w+)`).FindAllStringSubmatch(help.String(), -1)
	if len(flags) < 9 {
		t.Fatalf("%d flags in:\n%s", len(flags), help.String())
	}
	for _, f := range flags {
		if !regexp.MustCompile(`(?m)^\.BI? \\-` + f[1] + `\b`).Match(page) {
			t.Errorf("lelastic.1 does not tell of -%s", f[1])
		}
	}
}

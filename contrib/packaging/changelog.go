package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const packager = "Stentor maintainers <maintainers@stentor-net.example>"

// entry is a version in the form that nfpm reads. It takes YAML, which JSON is.
type entry struct {
	Semver   string    `json:"semver"`
	Date     time.Time `json:"date"`
	Packager string    `json:"packager"`
	Changes  []change  `json:"changes"`
}

type change struct {
	Note string `json:"note"`
}

// changelogs makes those of the packages from CHANGELOG.md: nfpm writes that of
// an rpm, and has no form that Debian's policy would take.
func (b *build) changelogs() error {
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	entries, err := parseChangelog(string(text), b.version, b.date)
	if err != nil {
		return err
	}
	forRPM, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	forDebian := filepath.Join(b.stage, "changelog.Debian")
	if err := errors.Join(
		os.WriteFile(filepath.Join(b.stage, rpmChangelog), forRPM, 0o644),
		os.WriteFile(forDebian, []byte(debian(entries)), 0o644),
	); err != nil {
		return err
	}
	return compress(forDebian)
}

// release is a heading of a version: "## [1.2.0] - 2026-11-22".
var release = regexp.MustCompile(`^## \[?([^\] ]+)\]?(?: - (\d{4}-\d\d-\d\d))?$`)

// parseChangelog reads the form that the head of CHANGELOG.md names. What is
// under "Unreleased" is of the version that is being made; when that is a
// release, it has a heading, and nothing is unreleased.
func parseChangelog(text, version string, date time.Time) ([]entry, error) {
	var all []entry
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := release.FindStringSubmatch(line); m != nil {
			e := entry{Semver: m[1], Date: date, Packager: packager}
			if strings.EqualFold(m[1], "unreleased") {
				e.Semver = version
			} else if m[2] != "" {
				var err error
				if e.Date, err = time.Parse(time.DateOnly, m[2]); err != nil {
					return nil, fmt.Errorf("CHANGELOG.md: %w", err)
				}
			}
			all = append(all, e)
			continue
		}
		if len(all) == 0 {
			continue
		}
		changes := &all[len(all)-1].Changes
		if note, ok := strings.CutPrefix(line, "- "); ok {
			*changes = append(*changes, change{note})
		} else if more, ok := strings.CutPrefix(line, "  "); ok && len(*changes) > 0 {
			(*changes)[len(*changes)-1].Note += " " + strings.TrimSpace(more)
		}
	}
	kept := all[:0]
	for _, e := range all {
		if len(e.Changes) > 0 {
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 {
		return nil, errors.New("CHANGELOG.md has no change")
	}
	if kept[0].Semver != version {
		return nil, fmt.Errorf("CHANGELOG.md begins with %s, and this is %s", kept[0].Semver, version)
	}
	return kept, nil
}

// debian writes entries as deb-changelog(5) has them.
func debian(entries []entry) string {
	var b strings.Builder
	for i, e := range entries {
		if i > 0 {
			b.WriteByte('\n')
		}
		// What comes before a release sorts before it (deb-version(7)).
		fmt.Fprintf(&b, "stentor (%s-1) unstable; urgency=medium\n\n", strings.Replace(e.Semver, "-", "~", 1))
		for _, c := range e.Changes {
			b.WriteString("  * " + wrap(c.Note, "    ") + "\n")
		}
		fmt.Fprintf(&b, "\n -- %s  %s\n", e.Packager, e.Date.Format(time.RFC1123Z))
	}
	return b.String()
}

// wrap breaks a text into lines of up to 80 columns, indented but for the first.
func wrap(text, indent string) string {
	width := 80 - len(indent)
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			b.WriteString("\n" + indent)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

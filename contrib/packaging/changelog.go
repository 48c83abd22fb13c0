package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stentor-net/stentor/contrib/packaging/changelog"
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
	entries, err := entriesOf(string(text), b.version, b.date)
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

// entriesOf are the versions that have changes. What is under "Unreleased" is of
// the version that is being made; when that is a release, it has a heading, and
// nothing is unreleased.
func entriesOf(text, version string, date time.Time) ([]entry, error) {
	versions, err := changelog.Parse(text)
	if err != nil {
		return nil, err
	}
	var all []entry
	for _, v := range versions {
		if len(v.Notes) == 0 {
			continue
		}
		e := entry{Semver: v.Name, Date: v.Date, Packager: packager}
		if v.Unreleased() {
			e.Semver = version
		}
		if e.Date.IsZero() {
			e.Date = date
		}
		for _, note := range v.Notes {
			e.Changes = append(e.Changes, change{note})
		}
		all = append(all, e)
	}
	if len(all) == 0 {
		return nil, errors.New("CHANGELOG.md has no change")
	}
	if all[0].Semver != version {
		return nil, fmt.Errorf("CHANGELOG.md begins with %s, and this is %s", all[0].Semver, version)
	}
	return all, nil
}

// debian writes entries as deb-changelog(5) has them.
func debian(entries []entry) string {
	var b strings.Builder
	for i, e := range entries {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "stentor (%s-1) unstable; urgency=medium\n\n", tilde(e.Semver))
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

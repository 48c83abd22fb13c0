// Package changelog reads CHANGELOG.md, which is written as keepachangelog.com
// has it.
package changelog

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Version is one heading with what stands below it.
type Version struct {
	Name  string
	Date  time.Time // zero when the heading has none
	Notes []string  // each in one line
}

// Unreleased tells that it is what the next version brings.
func (v Version) Unreleased() bool { return strings.EqualFold(v.Name, "unreleased") }

// heading is "## Unreleased", or "## [1.2.0] - 2026-11-22".
var heading = regexp.MustCompile(`^## \[?([^\] ]+)\]?(?: - (\d{4}-\d\d-\d\d))?$`)

// Parse gives the versions in the order of the file, the newest first.
func Parse(text string) ([]Version, error) {
	var all []Version
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := heading.FindStringSubmatch(line); m != nil {
			v := Version{Name: m[1]}
			if m[2] != "" {
				var err error
				if v.Date, err = time.Parse(time.DateOnly, m[2]); err != nil {
					return nil, fmt.Errorf("CHANGELOG.md: %w", err)
				}
			}
			all = append(all, v)
			continue
		}
		if len(all) == 0 {
			continue
		}
		notes := &all[len(all)-1].Notes
		if note, ok := strings.CutPrefix(line, "- "); ok {
			*notes = append(*notes, note)
		} else if more, ok := strings.CutPrefix(line, "  "); ok && len(*notes) > 0 {
			(*notes)[len(*notes)-1] += " " + strings.TrimSpace(more)
		}
	}
	return all, nil
}

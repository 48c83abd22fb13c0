package config

import (
	"fmt"
	"regexp"
	"strconv"
)

// History is [history].
type History struct {
	MaxSize int64 // bytes on disk
}

// The bounds of a history. What is larger would be read through for every question.
const (
	minHistory     = 256 << 10
	maxHistory     = 256 << 20
	defaultHistory = 4 << 20
)

func (b *builder) history() {
	b.cfg.History.MaxSize = defaultHistory
	if n, at := get[int64](b.root.sub("history"), "max_size"); at != nil {
		b.cfg.History.MaxSize = n
		if n < minHistory || n > maxHistory {
			b.fail(at.whole(), "", `max_size must be from "256KiB" to "256MiB"`)
		}
	}
}

var sizeForm = regexp.MustCompile(`^([1-9][0-9]{0,8})(KiB|MiB)$`)

// size reads a number of bytes with its unit.
func size(s string) (int64, *mistake) {
	m := sizeForm.FindStringSubmatch(s)
	if m == nil {
		return 0, &mistake{fmt.Sprintf("can't be %q", s), `a number with KiB or MiB: "4MiB"`}
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0, &mistake{fmt.Sprintf("can't be %q", s), ""}
	}
	if m[2] == "MiB" {
		return n << 20, nil
	}
	return n << 10, nil
}

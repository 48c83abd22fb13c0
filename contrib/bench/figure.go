package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// unit is what a figure counts, as it is printed behind the row's name.
type unit string

const (
	ms    unit = "ms"
	us    unit = "µs"
	mb    unit = "MB"
	ticks unit = "ticks"
	count unit = ""
)

// figure is what one cell of the table holds: the value of each run, or words.
type figure struct {
	values []float64
	words  string
}

// time collects a duration, in milliseconds.
func (f *figure) time(d time.Duration) {
	f.values = append(f.values, float64(d)/float64(time.Millisecond))
}

func (f *figure) add(v float64) { f.values = append(f.values, v) }

func one(v float64) figure { return figure{values: []float64{v}} }

func words(format string, args ...any) figure { return figure{words: fmt.Sprintf(format, args...)} }

// change is a value before and after something.
func change(u unit, before, after float64) figure {
	return words("%s -> %s", u.format(before), u.format(after))
}

// median of an even number of values is the mean of the two in the middle.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// format gives a value as many digits as it is worth.
func (u unit) format(v float64) string {
	digits := 0
	if u != count && u != ticks && math.Abs(v) < 100 {
		digits = 1
	}
	return fmt.Sprintf("%.*f", digits, v)
}

// text is median and range, or the words.
func (f figure) text(u unit) string {
	switch len(f.values) {
	case 0:
		return f.words
	case 1:
		return u.format(f.values[0])
	}
	lowest, highest := u.format(slices.Min(f.values)), u.format(slices.Max(f.values))
	if lowest == highest {
		return lowest
	}
	return fmt.Sprintf("%s (%s..%s)", u.format(median(f.values)), lowest, highest)
}

// ratio is how many times of base f is; 0 if that can't be said.
func (f figure) ratio(base figure) float64 {
	if len(f.values) == 0 || len(base.values) == 0 || median(base.values) == 0 {
		return 0
	}
	return median(f.values) / median(base.values)
}

// tally counts equal words, in the order of their first occurrence.
type tally struct {
	order []string
	n     map[string]int
}

func (t *tally) add(word string) {
	if t.n == nil {
		t.n = map[string]int{}
	}
	if t.n[word]++; t.n[word] == 1 {
		t.order = append(t.order, word)
	}
}

// figure names the words; how often, if they differ.
func (t *tally) figure() figure {
	if len(t.order) == 1 {
		return words("%s", t.order[0])
	}
	var parts []string
	for _, word := range t.order {
		parts = append(parts, fmt.Sprintf("%s (%d)", word, t.n[word]))
	}
	return words("%s", strings.Join(parts, "; "))
}

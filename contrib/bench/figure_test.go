package main

import (
	"math"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
		{[]float64{2, 2, 100}, 2},
	} {
		before := append([]float64(nil), tc.values...)
		if got := median(tc.values); got != tc.want {
			t.Errorf("median(%v) = %v, want %v", tc.values, got, tc.want)
		}
		for i := range before {
			if before[i] != tc.values[i] {
				t.Errorf("median changed the order of its argument to %v", tc.values)
			}
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing = %v, want NaN", got)
	}
}

func TestFigureText(t *testing.T) {
	var timed figure
	timed.time(1500 * time.Microsecond)
	for _, tc := range []struct {
		name string
		f    figure
		u    unit
		want string
	}{
		{"no run", figure{}, ms, ""},
		{"words", words("%s", "unchanged"), count, "unchanged"},
		{"a duration", timed, ms, "1.5"},
		{"one large value has no decimals", one(2551.4), ms, "2551"},
		{"counts have no decimals", one(4), count, "4"},
		{"ticks have no decimals", one(6), ticks, "6"},
		{"median and range", figure{values: []float64{1079, 1382, 1143}}, ms, "1143 (1079..1382)"},
		{"no range where none shows", figure{values: []float64{5.01, 5.02, 5.04}}, mb, "5.0"},
		{"before and after", change(mb, 26.94, 112.3), mb, "26.9 -> 112"},
	} {
		if got := tc.f.text(tc.u); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestRatio(t *testing.T) {
	base := figure{values: []float64{1, 2, 3}}
	for _, tc := range []struct {
		name    string
		f, base figure
		want    float64
	}{
		{"of medians", figure{values: []float64{5, 5, 50}}, base, 2.5},
		{"of words", words("kept"), base, 0},
		{"to words", one(3), words("kept"), 0},
		{"to zero", one(3), one(0), 0},
	} {
		if got := tc.f.ratio(tc.base); got != tc.want {
			t.Errorf("ratio %s = %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestTally(t *testing.T) {
	var same, differ tally
	for range 3 {
		same.add("close only")
	}
	for _, w := range []string{"b", "a", "b"} {
		differ.add(w)
	}
	if got := same.figure().words; got != "close only" {
		t.Errorf("equal words: %q", got)
	}
	if got := differ.figure().words; got != "b (2); a (1)" {
		t.Errorf("different words: %q", got)
	}
}

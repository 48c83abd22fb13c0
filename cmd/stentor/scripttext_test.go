package main

import (
	"os"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
)

// screen checks that the last stdout fits.
func screen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: screen LINES COLS")
	}
	maxLines, err := strconv.Atoi(args[0])
	ts.Check(err)
	maxCols, err := strconv.Atoi(args[1])
	ts.Check(err)
	all := lines(ts.ReadFile("stdout"))
	if len(all) > maxLines {
		ts.Fatalf("%d lines, want at most %d", len(all), maxLines)
	}
	for _, line := range all {
		if n := utf8.RuneCountInString(line); n > maxCols {
			ts.Fatalf("%d columns, want at most %d: %s", n, maxCols, line)
		}
	}
}

// moving is what differs between two runs that do the same. The zero time is
// no moment, and stays.
var moving = []struct {
	is  *regexp.Regexp
	out string
}{
	{regexp.MustCompile(`"version": ".*"`), `"version": "VERSION"`},
	{regexp.MustCompile(`"go": ".*"`), `"go": "GO"`},
	{regexp.MustCompile(`[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "TIME"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d(\.\d+)?\b`), "CLOCK"},
	{regexp.MustCompile(`pid \d+ as (stentor|nobody)`), "pid PID as USER"},
	{regexp.MustCompile(`"pid": \d+`), `"pid": PID`},
	{regexp.MustCompile(`"user": "(stentor|nobody)"`), `"user": "USER"`},
	{regexp.MustCompile(`\n *"user_why": ".*",`), ""},           // there is a user stentor, or there is none
	{regexp.MustCompile(`for (\d+[dhms])+\b( +)`), "for AGE  "}, // the column is as wide as the age
	{regexp.MustCompile(`for (\d+[dhms])+\b`), "for AGE"},
}

// norm writes the last stdout to a file.
func norm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: norm FILE")
	}
	text := ts.ReadFile("stdout")
	for _, m := range moving {
		text = m.is.ReplaceAllString(text, m.out)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// until repeats a command until a file says that it worked.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: until FILE REGEXP CMD [ARG...]")
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	eventually(ts, args[0]+" matches "+args[1], func() bool {
		ts.Check(ts.Exec(args[2], args[3:]...))
		raw, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && want.Match(raw)
	})
}

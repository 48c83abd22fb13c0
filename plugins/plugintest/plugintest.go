// Package plugintest tells whether a backend keeps the promises of package plugins.
//
// The suite is a list of cases, each of which holds one promise, and needs
// nothing of package testing: TestNet and TestBGP run it under go test, RunNet
// and RunBGP anywhere. It makes no difference to it whether a backend is called
// directly or over gRPC.
package plugintest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Limits of one call. Core's own are of the same order.
const (
	// callTime is for a call that has work to do.
	callTime = 30 * time.Second
	// endTime is what a call may take to return once its context has ended. A
	// good one takes milliseconds; the rest is for a busy machine.
	endTime = 2 * time.Second
)

// Result is the outcome of one case.
type Result struct {
	Case    string // its name, in words parted by hyphens
	Promise string // what the case holds the backend to
	Err     error  // nil: kept, or one of the next three says why it was not asked for

	NotRun   string // what is missing around the backend to run the case
	NotAsked string // why the promise is not this backend's: it lacks the capability
	Excepted string // the declared reason why the promise is not kept

	Figures []string // what was measured, as "announce 17 ms"; nothing depends on it
}

// String is one line, and what is wrong below it.
func (r Result) String() string {
	line := func(verdict, why string) string { return fmt.Sprintf("%-5s %s: %s", verdict, r.Case, why) }
	switch {
	case r.Err != nil:
		return line("FAIL", r.Promise) + "\n      " + strings.ReplaceAll(r.Err.Error(), "\n", "\n      ")
	case r.NotRun != "":
		return line("-", "not run: "+r.NotRun)
	case r.NotAsked != "":
		return line("-", r.NotAsked)
	case r.Excepted != "":
		return line("except", r.Excepted)
	case len(r.Figures) > 0:
		return line("ok", strings.Join(r.Figures, ", "))
	}
	return "ok    " + r.Case
}

// chosen are the cases that have one of the names, or all.
func chosen[C any](all []C, names []string, name func(C) string) []C {
	if names == nil {
		return all
	}
	var some []C
	for _, c := range all {
		if slices.Contains(names, name(c)) {
			some = append(some, c)
		}
	}
	return some
}

// unknownCase refuses the name of a case that does not exist.
func unknownCase(known, names []string) error {
	for _, n := range names {
		if !slices.Contains(known, n) {
			return fmt.Errorf("there is no case %q; there are: %s", n, strings.Join(known, " "))
		}
	}
	return nil
}

// settle sorts the error of a case.
func (r *Result) settle(err error) {
	var missing notRun
	var free notAsked
	switch {
	case errors.As(err, &missing):
		r.NotRun = string(missing)
	case errors.As(err, &free):
		r.NotAsked = string(free)
	default:
		r.Err = err
	}
}

// inWords is a figure as reports have it.
func inWords(what string, took time.Duration) string {
	return fmt.Sprintf("%s %d ms", what, took.Milliseconds())
}

// TestNet runs the suite, each case as a subtest.
func TestNet(t *testing.T, under Net) {
	for _, c := range under.cases() {
		t.Run(c.name, func(t *testing.T) {
			r := runNetCase(context.Background(), under, c)
			t.Log(r)
			if r.Err != nil {
				t.Fail()
			}
		})
	}
}

// RunNet runs the suite and reports each case when it is done. It tells
// whether all promises were kept. It stops early when ctx ends.
func RunNet(ctx context.Context, under Net, report func(Result)) bool {
	kept := true
	for _, c := range under.cases() {
		if ctx.Err() != nil {
			return false
		}
		r := runNetCase(ctx, under, c)
		kept = kept && r.Err == nil
		report(r)
	}
	return kept
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// verified is what plugins verify found, in its JSON form.
type verified struct {
	Name    string       `json:"name"`
	Kind    plugins.Kind `json:"kind"`
	Version string       `json:"version"`
	API     int          `json:"api"`
	Kept    bool         `json:"kept"` // all promises that were asked for
	Seconds float64      `json:"seconds"`
	Results []verdict    `json:"results"`
}

// verdict is the outcome of one case.
type verdict struct {
	Case    string   `json:"case"`
	Promise string   `json:"promise"`
	Result  string   `json:"result"`
	Why     string   `json:"why"` // of any result but "kept"
	Figures []string `json:"figures"`
}

// The results of a case.
const (
	resultKept     = "kept"
	resultBroken   = "broken"
	resultTodo     = "todo"      // broken, as the backend says that it can't do this (yet)
	resultNotRun   = "not_run"   // something is missing here
	resultNotAsked = "not_asked" // the backend does not claim to do this
	resultExcepted = "excepted"  // broken, and known to be: a built-in backend says why
)

// marks are the results as people see them.
var marks = map[string]string{resultKept: "ok", resultBroken: "FAIL", resultTodo: "TODO", resultNotRun: "-", resultNotAsked: "-", resultExcepted: "-"}

func (v *verified) add(r plugintest.Result) {
	d := verdict{Case: r.Case, Promise: r.Promise, Result: resultKept, Why: cmp.Or(r.NotRun, r.NotAsked, r.Excepted), Figures: append([]string{}, r.Figures...)}
	switch {
	case errors.Is(r.Err, plugins.ErrUnsupported):
		d.Result, d.Why = resultTodo, r.Err.Error()
	case r.Err != nil:
		d.Result, d.Why = resultBroken, r.Err.Error()
	case r.NotRun != "":
		d.Result = resultNotRun
	case r.NotAsked != "":
		d.Result = resultNotAsked
	case r.Excepted != "":
		d.Result = resultExcepted
	}
	v.Results = append(v.Results, d)
}

// writeLast is a line for the last case, and what is wrong with it below.
func (v *verified) writeLast(w io.Writer) {
	d := v.Results[len(v.Results)-1]
	if len(v.Results) == 1 {
		fmt.Fprintf(w, "%s %s, a %s backend (API %d)\n\n", v.Name, v.Version, v.Kind, v.API)
	}
	about := strings.Join(d.Figures, ", ")
	switch d.Result {
	case resultNotRun, resultNotAsked, resultExcepted:
		about = d.Why
	case resultBroken, resultTodo:
		about = d.Promise
	}
	fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-4s  %-24s  %s", marks[d.Result], d.Case, about), " "))
	if d.Result == resultBroken || d.Result == resultTodo {
		fmt.Fprintf(w, "      %s\n", strings.ReplaceAll(strings.TrimSpace(d.Why), "\n", "\n      "))
	}
}

// writeSum says how many promises were kept, and which were not.
func (v *verified) writeSum(w io.Writer) {
	cases := map[string][]string{}
	for _, d := range v.Results {
		cases[d.Result] = append(cases[d.Result], d.Case)
	}
	fmt.Fprintf(w, "\n%d of %d promises kept, in %.1f s\n", len(cases[resultKept]), len(cases[resultKept])+len(cases[resultBroken])+len(cases[resultTodo]), v.Seconds)
	for _, line := range []struct{ title, result string }{
		{"broken", resultBroken}, {"to be written", resultTodo}, {"not asked for", resultNotAsked}, {"not run", resultNotRun},
		{"not kept, as is known", resultExcepted},
	} {
		if names := cases[line.result]; len(names) > 0 {
			fmt.Fprintf(w, "%s: %s\n", line.title, strings.Join(names, " "))
		}
	}
}

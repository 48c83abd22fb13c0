package health

import (
	"context"
	"time"
)

// Spec is one check, as the config has it.
type Spec struct {
	Name  string
	Probe Probe
	// Every is the time between two runs. A pushed probe has results counted so
	// often until it is up, and else by event.
	Every   time.Duration
	Timeout time.Duration // at most Every
	// FastEvery, at most Every, takes its place while nothing is decided, or the
	// last results contradict what is.
	FastEvery  time.Duration
	Rise, Fall int // how many results in a row make it up, and not up
	Initial    State
	Weight     int
	Invert     bool // what is good counts as bad, and the other way round
}

// Probe is what a check asks: HTTP, TCP, DNS, Exec, Process, File or ICMP, which
// are asked again and again; or Unit, Sessions, Interface or Gate, whose answer
// is pushed. A probe is data alone, so that two can be compared.
type Probe interface {
	Kind() string
	// Target is what is asked, for people. It holds no secret.
	Target() string
}

// asked is a probe that has to ask.
type asked interface {
	Probe
	// prepare does once what serves all runs.
	prepare(*shared) (ask, error)
}

// ask asks once, and returns soon after ctx ends. Should the kernel not let it,
// the Runner does not wait.
type ask func(ctx context.Context) result

// pushed is a probe that others answer by event.
type pushed interface {
	Probe
	// judge decides by what is known; ok is false if that is nothing yet.
	judge(f Facts) (r result, ok bool)
}

// result is one answer.
type result struct {
	outcome Outcome
	output  string
	weight  int // of probes that read one
}

// weigher is a probe whose answer has a weight.
type weigher interface{ weighs() bool }

func good(output string) result { return result{outcome: Good, output: output} }
func bad(output string) result  { return result{outcome: Bad, output: output} }

// notRun says that the check could not ask, which says nothing of its subject.
func notRun(output string) result { return result{outcome: NotRun, output: output} }

// shared is what the checks of one Runner have in common.
type shared struct {
	processes *processes
}

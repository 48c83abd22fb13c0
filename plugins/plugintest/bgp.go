package plugintest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// BGP is a BGP backend under test. The suite makes a network for each case: a
// host where the backend works, on a link with the scripted route servers that
// it is to announce to (package bgppeer). That needs root and ip(8).
type BGP struct {
	// Open gives a backend on which nothing was called yet, as after a start of
	// its process. The suite closes it. Sockets and processes of the backend
	// belong on host; see BGPHost.Do.
	Open func(host *BGPHost) (plugins.BGPBackend, error)
	// Settings are its own table; nil is an empty one.
	Settings func(host *BGPHost) map[string]any
	// Daemon is what the backend drives, one for each case; nil if it drives none.
	Daemon func(host *BGPHost) (BGPDaemon, error)
	// Kill ends the process of a backend from Open at once, as SIGKILL does;
	// nil if it has no process of its own.
	Kill func(plugins.BGPBackend) error
	// PID is the process that speaks BGP, whose memory is measured; nil or 0 if unknown.
	PID func(plugins.BGPBackend) int
	// Program is what Open runs, if that is a plugin's program.
	Program *Program
	// Cases are the names of those to run; nil: all.
	Cases []string
	// Repeats: some time after a session came up, the speaker may tell its peer
	// once more what that has already. It is no news to anybody.
	Repeats bool
	// Except names the cases in which the backend does not keep the promise, each with the
	// reason. They are run all the same: an exception that is not needed is an error.
	Except map[string]string
	// Hold is the Hold Time of the sessions; 0 means 3 s. A slow machine may need more.
	Hold time.Duration
	// Patience bounds each wait for something that must happen; 0 means 30 s.
	Patience time.Duration
	// Here puts the backend's host into the network namespace where this process
	// is, for a backend in this process: make it a namespace of its own, as by
	// CLONE_NEWNET (clone(2)). One case runs at a time.
	Here bool
	// Parallel is how many cases run at the same time; 0 means 8.
	Parallel int
}

// BGPDaemon is a speaker that the backend drives, on the host of one case.
type BGPDaemon interface {
	// Start returns when the daemon takes commands. It is called again after Kill.
	Start(ctx context.Context) error
	// Kill ends it at once, as SIGKILL does, and returns when it has ended.
	Kill() error
	// Config is all that an operator has configured, as the daemon or its files
	// tell it: what Stentor must leave as it is.
	Config(ctx context.Context) (string, error)
	// Close ends it for good.
	Close() error
}

// bgpCase is one promise.
type bgpCase struct {
	name, promise string
	run           func(ctx context.Context, r *bgpRig) error
}

// notRun is the error of a case for which something is missing around the backend.
type notRun string

func (n notRun) Error() string { return string(n) }

// notAsked is the error of a case whose promise the backend does not make.
type notAsked string

func (n notAsked) Error() string { return string(n) }

// caseTime bounds a case, its waits and all.
const caseTime = 3 * time.Minute

// runBGPCase runs one case in a network of its own.
func runBGPCase(ctx context.Context, under BGP, c bgpCase) Result {
	under = under.filled()
	ctx, cancel := context.WithTimeout(ctx, caseTime)
	defer cancel()
	r := &bgpRig{under: under, secrets: map[string]bool{}}
	err := r.whole(ctx, c)
	result := Result{Case: c.name, Promise: c.promise, Figures: r.figures}
	result.settle(err)
	reason, excepted := under.Except[c.name]
	switch {
	case !excepted || result.NotRun != "" || result.NotAsked != "":
	case err == nil:
		result.Err = fmt.Errorf("the promise is kept: take the exception %q off the list", reason)
	default:
		result.Err, result.Excepted = nil, reason
	}
	return result
}

func (b BGP) filled() BGP {
	if b.Hold == 0 {
		b.Hold = 3 * time.Second
	}
	if b.Patience == 0 {
		b.Patience = 30 * time.Second
	}
	if b.Here {
		b.Parallel = 1
	}
	if b.Parallel == 0 {
		b.Parallel = 8
	}
	return b
}

// cases are those that the backend is held to.
func (b BGP) cases() []bgpCase {
	all := bgpCases
	if b.Program != nil {
		all = slices.Concat(all, bgpProgramCases())
	}
	return chosen(all, b.Cases, func(c bgpCase) string { return c.name })
}

// Names are all cases that there are for the backend.
func (b BGP) Names() []string {
	b.Cases = nil
	var names []string
	for _, c := range b.cases() {
		names = append(names, c.name)
	}
	return names
}

// check refuses the names of cases that do not exist.
func (b BGP) check() error {
	known := b.Names()
	for name := range b.Except {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no case %q to except", name)
		}
	}
	return unknownCase(known, b.Cases)
}

// TestBGP runs the suite, each case as a subtest, several at the same time. A
// case that this machine can't run is a skipped test.
func TestBGP(t *testing.T, under BGP) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	if err := under.check(); err != nil {
		t.Fatal(err)
	}
	free := make(chan struct{}, under.filled().Parallel)
	for _, c := range under.cases() {
		t.Run(c.name, func(t *testing.T) {
			done := make(chan Result, 1)
			go func() {
				free <- struct{}{}
				defer func() { <-free }()
				done <- runBGPCase(context.Background(), under, c)
			}()
			t.Parallel() // a case is mostly waiting, so the suite itself says how many run
			r := <-done
			t.Log(r)
			switch {
			case r.Err != nil:
				t.Fail()
			case r.NotRun != "":
				t.Skip(r.NotRun)
			}
		})
	}
}

// RunBGP runs the suite and reports each case, in the order of the list. It
// tells whether all promises were kept that were not excepted; a case that was
// not run has kept nothing and broken nothing. No case begins after ctx has ended.
func RunBGP(ctx context.Context, under BGP, report func(Result)) (bool, error) {
	if err := under.check(); err != nil {
		return false, err
	}
	if os.Geteuid() != 0 {
		return false, errors.New("the suite makes network namespaces: run it as root")
	}
	free := make(chan struct{}, under.filled().Parallel)
	cases := under.cases()
	results := make([]chan Result, len(cases))
	for i := range results {
		results[i] = make(chan Result, 1)
	}
	var done sync.WaitGroup
	defer done.Wait()
	done.Go(func() {
		for i, c := range cases {
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				close(results[i])
				continue
			}
			done.Go(func() {
				results[i] <- runBGPCase(ctx, under, c)
				<-free
			})
		}
	})
	kept := true
	for _, result := range results {
		r, ok := <-result
		if !ok {
			return false, ctx.Err()
		}
		kept = kept && r.Err == nil
		report(r)
	}
	return kept, nil
}

// words lists prefixes for people.
func words[T fmt.Stringer](list []T) string {
	all := make([]string, len(list))
	for i, x := range list {
		all[i] = x.String()
	}
	return strings.Join(all, " ")
}

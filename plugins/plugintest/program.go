package plugintest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// Program is a backend as a program. With it the suite also holds the backend
// to what only a process can get wrong.
type Program struct {
	Path string
	Args []string
	// Manifest is what stands beside it; nil if it has none.
	Manifest *plugins.Manifest
}

// programCase is one promise of a plugin's process, whatever its kind.
type programCase struct {
	name, promise string
	run           func(ctx context.Context, r *programRig) error
}

var programCases = []programCase{
	{"program-by-hand", "without Stentor it says something and ends by itself, with an exit code other than 0", caseByHand},
	{"program-handshake", "one line on standard output, a unix socket in the folder it was given, a health service that serves, and nothing more on standard output", caseHandshake},
	{"program-versions", "of the versions of the contract that it is offered it takes one that it speaks, and never claims another", caseVersions},
	{"program-manifest", "the manifest says what Info says", caseManifest},
	{"program-environment", "it works with standard input closed, umask 077, another working folder, an unknown locale, an odd TMPDIR, and without HOME", caseEnvironment},
	{"program-big-message", "a message of 8 MiB is read, and 10,000 VIPs or announcements are planned", caseBigMessage},
	{"program-parallel", "Info and Detect are answered many at a time, and beside Watch and Apply", caseParallel},
	{"program-deadline", "calls that were cut off leave nothing behind that holds up the next one", caseDeadline},
	{"program-watches", "a Watch that was cut off leaves nothing behind that holds up the next one", caseWatches},
	{"program-killed", "after a SIGKILL anywhere in Apply, a new process and its Apply mend what was left", caseProgramKilled},
	{"program-ends", "it ends soon after Close and Shutdown, and leaves no process and no file behind", caseProgramEnds},
}

// programRig starts a program on the host of a case.
type programRig struct {
	Program
	kind   plugins.Kind
	config plugins.Config
	dir    string // the case's own; any user may enter it
	// begin starts cmd on the host, on a thread that lasts as long as cmd does.
	begin func(cmd *exec.Cmd) error
	// plan and apply are about the first n of a set of things, which turn decides.
	plan  func(ctx context.Context, b plugins.Backend, n int) (plugins.Plan, error)
	apply func(ctx context.Context, b plugins.Backend, turn int) error
	// mended is an Apply that must put right whatever was left.
	mended  func(ctx context.Context, b plugins.Backend, turn int) error
	observe func(ctx context.Context, b plugins.Backend) error
	limit   func(time.Duration) time.Duration
	figure  func(what string, took time.Duration)

	runs []*programRun
}

// netProgramCases are the cases as those of a network backend.
func netProgramCases() []netCase {
	all := make([]netCase, len(programCases))
	for i, c := range programCases {
		all[i] = netCase{c.name, c.promise, func(ctx context.Context, r *netRig) error { return r.program(ctx, c) }}
	}
	return all
}

// bgpProgramCases are the cases as those of a BGP backend.
func bgpProgramCases() []bgpCase {
	all := make([]bgpCase, len(programCases))
	for i, c := range programCases {
		all[i] = bgpCase{c.name, c.promise, func(ctx context.Context, r *bgpRig) error { return r.program(ctx, c) }}
	}
	return all
}

// whole runs a case and ends all that it started.
func (r *programRig) whole(ctx context.Context, c programCase) (err error) {
	r.dir = filepath.Join(r.dir, "program")
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		return err
	}
	err = c.run(ctx, r)
	for _, run := range r.runs {
		if e := run.kill(); e != nil {
			err = errors.Join(err, e)
		}
	}
	return err
}

// open starts the program and configures its backend.
func (r *programRig) open(ctx context.Context, change ...func(*exec.Cmd)) (*programRun, error) {
	p, err := r.start(ctx, change...)
	if err != nil {
		return nil, err
	}
	err = r.call(ctx, "Configure", callTime, func(ctx context.Context) error { return p.b.Configure(ctx, r.config) })
	if err != nil {
		return nil, p.explain(err)
	}
	return p, nil
}

// call makes a call that has so much time, and has to return when it is over. As
// core does, it calls again as long as it gets ErrUnavailable.
func (r *programRig) call(ctx context.Context, name string, limit time.Duration, f func(context.Context) error) error {
	limit = r.limit(limit)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := f(ctx)
	for errors.Is(err, plugins.ErrUnavailable) && ctx.Err() == nil {
		select {
		case <-time.After(50 * time.Millisecond):
			err = f(ctx)
		case <-ctx.Done():
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("its %s gave no answer in %s: %w", name, limit, err)
		}
		return fmt.Errorf("its %s: %w", name, err)
	}
	return nil
}

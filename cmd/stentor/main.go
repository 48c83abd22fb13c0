// Command stentor puts shared IPs on this host and announces them over BGP.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/plugins"
)

// Exit codes, as the manual promises them.
const (
	exitDone    = 0
	exitFailed  = 1 // tried, and did not work
	exitUsage   = 2 // the command line or the config is wrong
	exitRefused = 3 // not permitted, no daemon, not ours
	exitNo      = 4 // ran well, and the answer is no
)

func main() {
	if asLelastic(os.Args) {
		os.Exit(lelastic(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(args []string, stdout, stderr io.Writer) int {
	answer := &answer{w: stdout}
	app := &app{out: answer, talk: stderr}
	root := app.command()
	root.SetArgs(args)
	root.SetOut(answer)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	if answer.err != nil && (err == nil || errors.Is(err, errNo)) {
		err, app.started = answer.err, true
	}
	code := exitCode(err, app.started)
	if code != exitDone && code != exitNo && !errors.Is(err, errSaid) {
		fmt.Fprintln(stderr, "stentor:", explain(err))
		if !app.started {
			fmt.Fprintln(stderr, "Try: stentor --help")
		}
	}
	return code
}

// answer is stdout. It remembers the first failure: half an answer, as on a
// full disk, is none, and no verb has to look for itself.
type answer struct {
	w   io.Writer
	err error
}

func (a *answer) Write(p []byte) (int, error) {
	n, err := a.w.Write(p)
	if a.err == nil {
		a.err = err
	}
	return n, err
}

// usageError is a mistake in the command line that only a verb can see.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errNo ends a command whose answer is no; the answer itself is on stdout.
var errNo = errors.New("no")

// errSaid ends a command whose failure is on stderr already.
var errSaid = errors.New("failed")

// exitCode sorts an error. One that came before any command started is about
// the command line.
func exitCode(err error, started bool) int {
	var invalid *config.Invalid
	var remote *control.Error
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errNo):
		return exitNo
	case !started, errors.As(err, &invalid), errors.As(err, &usage), errors.Is(err, config.ErrNoFile):
		return exitUsage
	case errors.As(err, &remote):
		switch remote.Kind {
		case control.KindConfig:
			return exitUsage
		case control.KindRefused:
			return exitRefused
		default: // a newer daemon may know more kinds
			return exitFailed
		}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR),
		errors.Is(err, plugins.ErrForeign), errors.Is(err, plugins.ErrUnsupported):
		return exitRefused
	default:
		return exitFailed
	}
}

// explain is what a person reads of an error. Findings start on a line of
// their own, so that each begins with its file.
func explain(err error) string {
	var invalid *config.Invalid
	var remote *control.Error
	switch {
	case errors.As(err, &invalid):
		return "the config has mistakes\n" + invalid.Error()
	case errors.As(err, &remote) && len(remote.Findings) > 0:
		return "the config has mistakes; nothing was changed\n" + remote.Message
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EPERM):
		if os.Geteuid() != 0 {
			return err.Error() + " (try as root)"
		}
	}
	return err.Error()
}

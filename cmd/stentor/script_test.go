package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts run this test binary as stentor.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"stentor": main, "lelastic": main})
}

// patience is how long a script waits for what has to happen soon. It is long
// because only a failure takes it.
const patience = 20 * time.Second

// pollEvery is how often a script looks in the meantime.
const pollEvery = 20 * time.Millisecond

// TestScripts runs the command line as a person would. Beside testscript's own
// commands the scripts have these:
//
//	code N CMD...       run CMD, which must exit with code N
//	nobody N CMD...     the same as a user without any rights
//	screen LINES COLS   the last stdout must fit a screen of that size
//	norm FILE           write the last stdout to FILE, without what differs between runs
//	until FILE RE CMD.. run CMD again and again until FILE has a line that matches
//	netns IP...         live in a network and mount namespace of its own, lo up, with these addresses
//	peer NAME IP ASN    a BGP peer that listens on IP, until the script ends or peerdown NAME
//	[!] route NAME IP/LEN [COMMUNITY]   wait until the peer has (not) got that route
//	sent NAME IP/LEN COMMUNITY   wait until the peer was ever sent that route so
//	farewell NAME IP/LEN   wait until the peer was sent the withdrawal, then Cease
//	waitstatus WHAT...  wait until the daemon's status says so, see holds
//	metadata IP         a cloud's metadata service, as Linode's, on IP until the script ends
//	stale PATH          a socket as a crashed daemon leaves it
//	signal SIG VERB     send a signal to the stentor VERB, or the program of that name, in the background
func TestScripts(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{root, filepath.Dir(root)} {
		if err := os.Chmod(dir, 0o711); err != nil { // nobody has to get through
			t.Fatal(err)
		}
	}
	testscript.Run(t, testscript.Params{
		WorkdirRoot:         root,
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup:               setup,
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, errors.New("unknown condition")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "nobody": nobody, "screen": screen, "norm": norm, "until": until,
			"netns": netns, "peer": peer, "peerdown": peerDown, "route": route, "sent": sent, "farewell": farewell,
			"waitstatus": waitStatus, "signal": sendSignal, "stale": stale, "metadata": metadataService,
		},
	})
}

// setup gives each script an instance of its own.
func setup(e *testscript.Env) error {
	e.Setenv("STENTOR_CONFIG", filepath.Join(e.WorkDir, "stentor.toml"))
	e.Setenv("STENTOR_SOCKET", filepath.Join(e.WorkDir, "run", "stentor.sock"))
	e.Setenv("STENTOR_STATE_DIR", filepath.Join(e.WorkDir, "state"))
	e.Values[peersKey{}] = peers{}
	return nil
}

// code runs a command and checks its exit code.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N CMD [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// nobody is code for a user without any rights. The folder of the binary is
// opened for searching, as those above the script are, so that what is refused
// is refused by Stentor's own modes.
func nobody(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: nobody N CMD [ARG...]")
	}
	binary, err := exec.LookPath(args[1])
	ts.Check(err)
	ts.Check(os.Chmod(filepath.Dir(filepath.Dir(binary)), 0o711))
	const uid = "65534"
	code(ts, false, append([]string{args[0], "setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", binary}, args[2:]...))
}

// sendSignal finds the background command by its verb; the first of several.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal SIG VERB")
	}
	sig, ok := signalNumbers[args[0]]
	if !ok {
		ts.Fatalf("unknown signal %s", args[0])
	}
	for _, cmd := range ts.BackgroundCmds() {
		if strings.Contains(strings.Join(cmd.Args, " ")+" ", "stentor "+args[1]+" ") || filepath.Base(cmd.Args[0]) == args[1] {
			ts.Check(cmd.Process.Signal(sig))
			return
		}
	}
	ts.Fatalf("no stentor %s runs in the background", args[1])
}

// eventually waits until ok says yes.
func eventually(ts *testscript.TestScript, what string, ok func() bool) {
	if !poll(ok) {
		ts.Fatalf("not so after %s: %s", patience, what)
	}
}

// poll asks again and again, and gives up when patience ends.
func poll(ok func() bool) bool {
	deadline := time.After(patience)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}

// lines are the lines of text, without an empty last one.
func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

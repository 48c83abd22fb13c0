// Command testrun runs go test, shows its own summary and the output of what
// failed, and ends with what took longest and a list of what was skipped and
// why. With CI=true in the environment a skip is a failure: CI has every part
// that the tests ask for.
//
// Its arguments go to go test as they are, but for a -vuln before all others:
// then it looks for known vulnerabilities too. Whether that is possible depends
// on the network, so it counts neither as passed nor as skipped: at the end the
// list says loudly that it was not done.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sort"
	"strings"
)

func main() {
	code, err := run(os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
		code = 1
	}
	os.Exit(code)
}

func run(args []string, stdout, stderr io.Writer) (int, error) {
	vuln := len(args) > 0 && args[0] == "-vuln"
	if vuln {
		args = args[1:]
	}
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	s, err := report(events, stdout)
	if err != nil {
		return 1, err
	}
	failed := cmd.Wait() != nil
	if vuln {
		left, err := vulnerabilities(context.Background(), stdout)
		if err != nil {
			fmt.Fprintln(stderr, "testrun:", err)
			failed = true
		}
		if left != "" {
			s.left = append(s.left, left)
		}
	}
	s.print(stdout)
	if failed || os.Getenv("CI") == "true" && len(s.skipped) > 0 {
		return 1, nil
	}
	return 0, nil
}

// event is a line of go test -json (go doc test2json).
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64 // seconds
}

type summary struct {
	passed, failed int
	skipped        []string
	left           []string // what was not done for a reason that is not this machine's
	took           []took
}

// took is how long a test was under way, its subtests included.
type took struct {
	test    string
	seconds float64
}

// longest is how many tests the summary names.
const longest = 15

// report copies the packages' own lines as they come, and a test's lines when
// it fails.
func report(events io.Reader, w io.Writer) (summary, error) {
	var s summary
	output := map[[2]string]*strings.Builder{}
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			fmt.Fprintf(w, "%s", line) // the go command itself, as when a build fails
			continue
		}
		key := [2]string{e.Package, e.Test}
		if e.Elapsed >= 1 && e.Test != "" && !strings.Contains(e.Test, "/") {
			s.took = append(s.took, took{e.Package + " " + e.Test, e.Elapsed})
		}
		switch {
		case e.Action == "output" || e.Action == "build-output":
			if e.Test == "" {
				if e.Output != "PASS\n" {
					fmt.Fprint(w, e.Output)
				}
				continue
			}
			if output[key] == nil {
				output[key] = &strings.Builder{}
			}
			output[key].WriteString(e.Output)
		case e.Test == "":
		case e.Action == "fail":
			s.failed++
			if b := output[key]; b != nil {
				fmt.Fprint(w, b)
			}
			delete(output, key)
		case e.Action == "skip":
			s.skipped = append(s.skipped, e.Package+" "+e.Test+": "+reason(output[key]))
			delete(output, key)
		case e.Action == "pass":
			s.passed++
			delete(output, key)
		}
	}
}

// reason is what a skipped test said.
func reason(b *strings.Builder) string {
	if b == nil {
		return "no reason given"
	}
	var said []string
	for _, line := range strings.Split(b.String(), "\n") {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}

func (s summary) print(w io.Writer) {
	sort.Slice(s.took, func(i, j int) bool { return s.took[i].seconds > s.took[j].seconds })
	for _, t := range s.took[:min(longest, len(s.took))] {
		fmt.Fprintf(w, "%4.0f s: %s\n", t.seconds, t.test)
	}
	sort.Strings(s.skipped)
	for _, line := range s.skipped {
		fmt.Fprintln(w, "skipped:", line)
	}
	for _, line := range s.left {
		fmt.Fprintln(w, "NOT CHECKED:", line)
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", s.passed, s.failed, len(s.skipped))
}

// Command demo records `stentor lab demo`, and draws it as an animated SVG:
//
//	go run ./contrib/docs/demo -o contrib/docs/img/demo.svg
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"time"
)

func main() {
	program := flag.String("stentor", "bin/stentor", "the `PROGRAM`")
	out := flag.String("o", "demo.svg", "the `FILE` to write")
	flag.Parse()
	if err := run(*program, *out); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(program, out string) error {
	shown, err := record(program)
	if err != nil {
		return err
	}
	return os.WriteFile(out, draw(shown), 0o644)
}

// line is one of the recording, and when it came.
type line struct {
	at   time.Duration
	text string
}

// record runs the demo.
func record(program string) ([]line, error) {
	cmd := exec.Command(program, "lab", "demo")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	shown := []line{{0, "$ stentor lab demo"}}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		shown = append(shown, line{time.Since(began), lines.Text()})
	}
	return shown, cmd.Wait()
}

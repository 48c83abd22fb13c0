package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// File is good while a file is there; or it reads a weight in it, as keepalived's
// track_file does.
type File struct {
	Path       string
	FromWeight bool
}

// minWeight and maxWeight bound the weight in a file (keepalived.conf(5),
// vrrp_track_file); the lowest one is a fault.
const (
	minWeight = -254
	maxWeight = 254
)

// Kind is "file".
func (File) Kind() string { return "file" }

// Target is the path.
func (p File) Target() string { return p.Path }

func (p File) weighs() bool { return p.FromWeight }

func (p File) prepare(*shared) (ask, error) {
	if p.FromWeight {
		return func(context.Context) result { return p.read() }, nil
	}
	return func(context.Context) result {
		if _, err := os.Stat(p.Path); err != nil {
			return p.absent(err)
		}
		return good("it is there")
	}, nil
}

func (p File) absent(err error) result {
	if errors.Is(err, fs.ErrNotExist) {
		return bad("it is not there")
	}
	return notRun(err.Error())
}

func (p File) read() result {
	// O_NONBLOCK: a FIFO that nobody writes to must not hold up the run.
	f, err := os.OpenFile(p.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return p.absent(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return notRun(err.Error())
	}
	n, err := parseWeight(string(data))
	if err != nil {
		return notRun(err.Error())
	}
	r := result{outcome: Good, weight: n, output: fmt.Sprintf("weight %d", n)}
	if n == minWeight {
		r.outcome = Bad
	}
	return r
}

// parseWeight reads the number that a file begins with: what follows on other
// lines is for people.
func parseWeight(text string) (int, error) {
	first, _, _ := strings.Cut(strings.TrimLeft(text, " \t\r\n"), "\n")
	first = strings.TrimSpace(first)
	n, err := strconv.Atoi(first)
	if err != nil {
		return 0, fmt.Errorf("it begins with %.20q, which is no whole number", first)
	}
	return min(max(n, minWeight), maxWeight), nil
}

package hosts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Event is one change that the kernel told of (rtnetlink(7)).
type Event struct {
	At      time.Time
	Deleted bool
	Link    string
	// Prefix is the address that changed; the zero Prefix when it was the link.
	Prefix netip.Prefix
	// Up, for a link: administratively up.
	Up bool
}

// String is for people.
func (e Event) String() string {
	what := e.Link
	if e.Prefix.IsValid() {
		what = fmt.Sprintf("%s on %s", e.Prefix, e.Link)
	} else {
		what += map[bool]string{true: " is up", false: " is down"}[e.Up]
	}
	if e.Deleted {
		what = "deleted: " + what
	}
	return e.At.Format("15:04:05.000000 ") + what
}

// Recording is what happens to a host's links and addresses, from Record to Stop.
type Recording struct {
	host *Host
	cmd  *exec.Cmd
	done chan struct{}

	mu     sync.Mutex
	events []Event
	marks  int // how often the marker was seen
}

// marker is a route that says "up to here" in a recording. It is in a table
// that no rule looks at, and of an address for benchmarks (RFC 2544).
const marker = "198.18.0.1 table 4242"

// Record begins a recording. The host may not be rebooted during it.
func (h *Host) Record(ctx context.Context) (*Recording, error) {
	// The machine's own ip(8), so that there is one format to read.
	cmd, err := h.command(context.WithoutCancel(ctx), "-n", "--", "ip", "-tshort", "-oneline", "monitor", "address", "link", "route")
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("hosts: record %s: %w", h, err)
	}
	r := &Recording{host: h, cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.read(out)
		_ = cmd.Wait() // it is killed
	}()
	if err := r.mark(ctx); err != nil {
		return nil, errors.Join(err, r.end())
	}
	return r, nil
}

// Events are those so far, everything that had happened before the call among them.
func (r *Recording) Events(ctx context.Context) ([]Event, error) {
	if err := r.mark(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Event(nil), r.events...), nil
}

// Stop ends the recording.
func (r *Recording) Stop(ctx context.Context) ([]Event, error) {
	events, err := r.Events(ctx)
	return events, errors.Join(err, r.end())
}

func (r *Recording) end() error {
	err := r.cmd.Cancel()
	<-r.done
	return err
}

// mark makes the marker come and go, until it was seen.
func (r *Recording) mark(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	seen := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.marks
	}
	before := seen()
	return poll(ctx, "the recording of "+r.host.String(), func() (bool, string) {
		if seen() > before {
			return true, ""
		}
		for _, verb := range []string{"add", "del"} {
			cmd, err := r.host.command(ctx, append([]string{"-n", "--", "ip", "route", verb, "blackhole"}, strings.Fields(marker)...)...)
			if err != nil {
				return false, err.Error()
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				return false, string(out)
			}
		}
		return seen() > before, "its marker does not show"
	})
}

func (r *Recording) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		e, ok := parseEvent(line)
		r.mu.Lock()
		switch {
		case strings.Contains(line, marker):
			if strings.Contains(line, "Deleted") { // the last that a mark gives
				r.marks++
			}
		case ok:
			r.events = append(r.events, e)
		}
		r.mu.Unlock()
	}
}

// parseEvent reads a line of `ip -tshort -oneline monitor`, but routes:
//
//	[2026-03-01T10:00:00.123456] Deleted 1: lo    inet 192.0.2.1/32 scope global lo\       valid_lft ...
//	[2026-03-01T10:00:00.123456] 2: eth0@if2: <BROADCAST,UP,LOWER_UP> mtu 1500 ...
func parseEvent(line string) (Event, bool) {
	stamp, rest, ok := strings.Cut(strings.TrimPrefix(line, "["), "] ")
	at, err := time.ParseInLocation("2006-01-02T15:04:05.000000", stamp, time.Local)
	if !ok || err != nil {
		return Event{}, false
	}
	e := Event{At: at}
	rest, e.Deleted = strings.CutPrefix(rest, "Deleted ")
	f := strings.Fields(rest)
	if len(f) < 4 || !strings.HasSuffix(f[0], ":") { // a route has no number
		return e, false
	}
	e.Link, _, _ = strings.Cut(strings.TrimSuffix(f[1], ":"), "@")
	if f[2] == "inet" || f[2] == "inet6" {
		e.Prefix, err = netip.ParsePrefix(f[3])
		return e, err == nil
	}
	e.Up = strings.Contains(","+strings.Trim(f[2], "<>")+",", ",UP,")
	return e, strings.HasPrefix(f[2], "<")
}

// Hole is a time in which an address was absent, or its link down.
type Hole struct {
	What string
	From time.Time
	// Length is 0 if it never ended.
	Length time.Duration
}

// Holes finds those of one address on a link, down-times of the link included.
func Holes(events []Event, link string, prefix netip.Prefix) []Hole {
	var holes []Hole
	open := map[string]int{}
	note := func(what string, absent bool, at time.Time) {
		i, isOpen := open[what]
		switch {
		case absent && !isOpen:
			open[what] = len(holes)
			holes = append(holes, Hole{What: what, From: at})
		case !absent && isOpen:
			holes[i].Length = at.Sub(holes[i].From)
			delete(open, what)
		}
	}
	for _, e := range events {
		switch {
		case e.Link != link:
		case e.Prefix == prefix:
			note(prefix.String(), e.Deleted, e.At)
		case !e.Prefix.IsValid():
			note(link, e.Deleted || !e.Up, e.At)
		}
	}
	return holes
}

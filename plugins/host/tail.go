package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

const (
	tailLines = 20
	tailWidth = 400 // bytes of a line
)

// tail keeps what people want to see of a program's standard error when it
// died: its last lines, or from a panic on the first ones. It is safe for
// concurrent use.
type tail struct {
	mu      sync.Mutex
	partial []byte
	lines   []string
	frozen  bool // the lines are a panic's
}

// Write takes a piece of the stream.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		t.partial = append(t.partial, line[:min(len(line), max(0, 16*tailWidth-len(t.partial)))]...)
		if whole {
			t.add(readable(t.partial))
			t.partial = t.partial[:0]
		}
		rest = after
	}
	return len(p), nil
}

func (t *tail) add(line string) {
	if !t.frozen && (strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")) {
		t.lines, t.frozen = nil, true
	}
	if len(line) > tailWidth {
		line = strings.ToValidUTF8(line[:tailWidth], "") + " ..."
	}
	switch {
	case line == "":
	case len(t.lines) < tailLines:
		t.lines = append(t.lines, line)
	case !t.frozen:
		t.lines = append(t.lines[1:], line)
	}
}

// String gives the lines, each indented on a line of its own, "" if there are none.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		return ""
	}
	return "\n    " + strings.Join(t.lines, "\n    ")
}

// readable writes a log record for people, "" if it is for developers, and
// leaves any other line as it is.
func readable(line []byte) string {
	var record map[string]any
	if json.Unmarshal(line, &record) != nil || record["@message"] == nil {
		return strings.ToValidUTF8(string(line), "\uFFFD")
	}
	if record["@level"] == "debug" || record["@level"] == "trace" {
		return ""
	}
	out := strings.ToUpper(fmt.Sprint(record["@level"])) + " " + fmt.Sprint(record["@message"])
	for _, k := range slices.Sorted(maps.Keys(record)) {
		if !strings.HasPrefix(k, "@") {
			out += fmt.Sprintf(" %s=%v", k, record[k])
		}
	}
	return strings.ReplaceAll(out, "\n", " ")
}

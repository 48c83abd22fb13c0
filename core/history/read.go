package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxLine is more than any event of ours takes, each byte of its texts
	// escaped.
	maxLine = 32 << 10
	maxSeq  = 1 << 62 // no daemon lives to see it
	suffix  = ".jsonl"
)

// Query says which events are wanted. The zero Query wants all.
type Query struct {
	Object string    // as in Concerns; empty: any
	Since  time.Time // not older
	Last   int       // the newest so many; 0: all
}

func (q Query) wants(e Event) bool { return e.Concerns(q.Object) && !e.At.Before(q.Since) }

// Dir is where a daemon keeps its history.
func Dir(stateDir string) string { return filepath.Join(stateDir, "history") }

// Read visits the events in the files of dir that q wants, oldest first, until
// visit says false. It needs no daemon, and changes nothing: a line that is
// damaged, or still being written, is passed over. A folder that is not there
// holds no events.
func Read(dir string, q Query, visit func(Event) bool) error {
	return q.pick(visit, func(visit func(Event) bool) error { return readFiles(dir, visit) })
}

// pick puts q between a source of events and who wants them.
func (q Query) pick(visit func(Event) bool, source func(visit func(Event) bool) error) error {
	if q.Last <= 0 {
		return source(func(e Event) bool { return !q.wants(e) || visit(e) })
	}
	var newest []Event
	if err := source(func(e Event) bool {
		if q.wants(e) {
			newest = append(newest, e)
		}
		if len(newest) >= 2*q.Last {
			newest = slices.Clone(newest[len(newest)-q.Last:])
		}
		return true
	}); err != nil {
		return err
	}
	for _, e := range newest[max(0, len(newest)-q.Last):] {
		if !visit(e) {
			break
		}
	}
	return nil
}

func readFiles(dir string, visit func(Event) bool) error {
	segments, err := list(dir)
	if err != nil {
		return err
	}
	for more, i := true, 0; more && i < len(segments); i++ {
		f, err := os.Open(filepath.Join(dir, segments[i].name()))
		if errors.Is(err, fs.ErrNotExist) { // the oldest make room
			continue
		}
		if err != nil {
			return fmt.Errorf("read the history: %w", err)
		}
		_, err = decode(f, func(e Event) bool { more = visit(e); return more })
		f.Close()
		if err != nil {
			return fmt.Errorf("read the history: %s: %w", f.Name(), err)
		}
	}
	return nil
}

// segment is one file of a history, named after the first event in it.
type segment uint64

func (s segment) name() string { return fmt.Sprintf("%020d%s", uint64(s), suffix) }

// list gives the segments of dir, oldest first. Other files are nobody's business.
func list(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	var all []segment
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), suffix)
		if n, err := strconv.ParseUint(digits, 10, 64); ok && err == nil && segment(n).name() == e.Name() {
			all = append(all, segment(n))
		}
	}
	slices.Sort(all)
	return all, nil
}

// decode visits the events of r, one JSON line each, and gives the offset
// behind the last sound one. What is no event is passed over: a write that was
// cut off must not hide what came before or after it.
func decode(r io.Reader, visit func(Event) bool) (sound int64, err error) {
	in := bufio.NewReaderSize(r, maxLine)
	offset := int64(0)
	for {
		line, err := in.ReadSlice('\n')
		offset += int64(len(line))
		whole := err == nil
		for errors.Is(err, bufio.ErrBufferFull) { // longer than any of ours
			line, err = in.ReadSlice('\n')
			offset += int64(len(line))
		}
		if errors.Is(err, io.EOF) {
			return sound, nil
		}
		if err != nil {
			return sound, err
		}
		var e Event
		if !whole || json.Unmarshal(line, &e) != nil || e.Seq == 0 || e.Seq > maxSeq || e.Object == "" {
			continue
		}
		sound = offset
		if !visit(e) {
			return sound, nil
		}
	}
}

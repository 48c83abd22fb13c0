package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// segments is how many files share the size of a history: the oldest goes as a
// whole, so that much of the past is lost at once.
const segments = 4

// files is the history on disk. One goroutine uses it.
type files struct {
	dir  string
	all  []segment
	last *os.File // the newest of them
	size int64    // of it, up to the last event that was written whole
}

// openFiles finds what an earlier run left, and gives the number of its last
// event. A last line that was cut off by a crash is cut off for good.
func openFiles(dir string) (*files, uint64, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, 0, err
	}
	f := &files{dir: dir}
	var err error
	if f.all, err = list(dir); err != nil || len(f.all) == 0 {
		return f, 0, err
	}
	newest := f.all[len(f.all)-1]
	seq := uint64(max(newest, 1)) - 1 // if there is no event in it, those before it have the lower numbers
	if f.last, err = os.OpenFile(filepath.Join(dir, newest.name()), os.O_RDWR, 0); err != nil {
		return nil, 0, err
	}
	f.size, err = decode(f.last, func(e Event) bool { seq = max(seq, e.Seq); return true })
	if err == nil {
		err = f.last.Truncate(f.size)
	}
	if err != nil {
		f.close()
		return nil, 0, err
	}
	return f, seq, nil
}

// write appends lines, the first of which is event first, and returns once they
// would survive a power cut. After an error the same call can be made again.
func (f *files) write(lines []byte, first uint64, maxSize int64) error {
	if f.last == nil || f.size > 0 && f.size+int64(len(lines)) > maxSize/segments {
		if err := f.rotate(segment(first)); err != nil {
			return err
		}
	}
	// At an offset, not at the end: what a full disk or a failed fsync (after
	// which the pages may be gone, fsync(2)) left behind is written over.
	_, err := f.last.WriteAt(lines, f.size)
	if err == nil {
		err = f.last.Sync()
	}
	if err != nil {
		_ = f.last.Truncate(f.size) // so that readers see no half a line; the next try mends it too
		return err
	}
	f.size += int64(len(lines))
	return nil
}

// there reports whether what is written goes to a file that others can find.
func (f *files) there() bool {
	if f.last == nil {
		return true
	}
	ours, err := f.last.Stat()
	if err != nil {
		return false
	}
	theirs, err := os.Stat(f.last.Name())
	return err == nil && os.SameFile(ours, theirs)
}

// rotate begins a file. The oldest go first: they may hold the space that it needs.
func (f *files) rotate(first segment) error {
	for len(f.all) >= segments {
		if err := os.Remove(filepath.Join(f.dir, f.all[0].name())); err != nil && !os.IsNotExist(err) {
			return err
		}
		f.all = f.all[1:]
	}
	// One of that name has no event in it, or its last would be numbered higher.
	next, err := os.OpenFile(filepath.Join(f.dir, first.name()), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	f.close()
	f.last, f.size = next, 0
	if !slices.Contains(f.all, first) {
		f.all = append(f.all, first)
	}
	dir, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func (f *files) close() {
	if f.last != nil {
		f.last.Close()
		f.last = nil
	}
}

// batchSize bounds what is written at once, well below the smallest segment.
const batchSize = 32 << 10

// NewEncoder writes events as lines, the same in files, answers and on the
// terminal.
func NewEncoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}

// encode gives the lines of events, as many as make one batch, and how many
// those are.
func encode(events []Event) ([]byte, int, error) {
	var out bytes.Buffer
	enc := NewEncoder(&out)
	for i, e := range events {
		before := out.Len()
		if err := enc.Encode(e); err != nil {
			return nil, 0, fmt.Errorf("event %d: %w", e.Seq, err)
		}
		if out.Len() > batchSize && i > 0 {
			out.Truncate(before)
			return out.Bytes(), i, nil
		}
	}
	return out.Bytes(), len(events), nil
}

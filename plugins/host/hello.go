package host

import (
	"os"
	"sync"
)

// head keeps the first line of a stream.
type head struct {
	mu   sync.Mutex
	line []byte
	done bool
}

// teeReader copies to a head what is read.
type teeReader struct {
	*os.File
	to *head
}

func (t *teeReader) Read(b []byte) (int, error) {
	n, err := t.File.Read(b)
	t.to.mu.Lock()
	defer t.to.mu.Unlock()
	for _, c := range b[:n] {
		if t.to.done = t.to.done || c == '\n' || len(t.to.line) == tailWidth; t.to.done {
			break
		}
		t.to.line = append(t.to.line, c)
	}
	return n, err
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.line)
}

package history

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// keep is how many of the newest events stay in memory, for readers.
	keep = 4096
	// maxWaiting is how many more stay there that are not on disk yet: more than
	// a host with thousands of VIPs has at its start, and all that a disk that
	// is slow or full can cost.
	maxWaiting = 4 * keep
)

// Options are what a Log works with.
type Options struct {
	Dir     string
	MaxSize int64  // bytes on disk; the oldest events make room
	Changed func() // called when Trouble has another answer; it must not block
	Log     *slog.Logger
}

// Log is the history of one daemon. Events are in it at once, and on disk a
// moment later; nothing waits for the disk.
type Log struct {
	Options

	mu      sync.Mutex
	recent  []Event // oldest first; at least the newest keep, once there were so many
	seq     uint64  // of the newest
	written uint64  // up to here they are on disk, or lost
	lost    uint64  // how many were lost, in all
	unsaid  uint64  // and of those, how many the history does not tell of yet
	saying  uint64  // how many the marker tells of that is being written
	trouble Trouble
	news    chan struct{} // closed by the next Append
	wake    chan struct{}
}

// Trouble is why nothing is written.
type Trouble struct {
	Err   error // nil: all is well
	Since time.Time
}

// Open goes on where the history in o.Dir ended. One that can't be read or
// written is no reason to stand still: events are kept in memory, Trouble says
// why, and the disk is tried again.
func Open(o Options) *Log {
	l := &Log{Options: o, news: make(chan struct{}), wake: make(chan struct{}, 1)}
	f, last, err := openFiles(o.Dir)
	if err != nil {
		l.trouble = Trouble{err, time.Now()}
		o.Log.Error("the history can't be opened, events are kept in memory for now", "dir", o.Dir, "error", err)
		return l
	}
	f.close() // Run opens it again, as it does after trouble
	l.seq, l.written = last, last
	return l
}

// Append takes events in, in order, and gives them as they are kept: numbered
// and trimmed.
func (l *Log) Append(events []Event) []Event {
	if len(events) == 0 {
		return nil
	}
	kept := make([]Event, len(events))
	l.mu.Lock()
	for i, e := range events {
		l.seq++
		kept[i] = e.trimmed()
		kept[i].Seq = l.seq
	}
	l.recent = append(l.recent, kept...)
	if room := max(keep, int(min(l.seq-l.written, maxWaiting))); len(l.recent) >= room+keep { // seldom, as it moves them all
		l.forget(len(l.recent) - room)
	}
	close(l.news)
	l.news = make(chan struct{})
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default: // it will wake anyway
	}
	return kept
}

// forget drops the n oldest from memory. Those that are not on disk are lost.
func (l *Log) forget(n int) {
	if end := l.recent[n-1].Seq; end > l.written {
		l.lost += end - l.written
		l.unsaid += end - l.written
		l.written = end
	}
	l.recent = slices.Clone(l.recent[n:])
}

// After gives the events behind number seq that are still in memory, and what
// the next Append closes.
func (l *Log) After(seq uint64) ([]Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.recent[l.behind(seq):]), l.news
}

// behind is the index of the first event in memory behind number seq.
func (l *Log) behind(seq uint64) int {
	i, _ := slices.BinarySearchFunc(l.recent, seq+1, func(e Event, n uint64) int { return cmp.Compare(e.Seq, n) })
	return i
}

// Recent gives the newest events in memory, at most limit.
func (l *Log) Recent(limit int) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.recent[max(0, len(l.recent)-limit):])
}

// Seq is the number of the newest event.
func (l *Log) Seq() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq
}

// Read visits the events that q wants, oldest first, until visit says false.
// Files that can't be read hide nothing of what is in memory.
func (l *Log) Read(q Query, visit func(Event) bool) error {
	recent, _ := l.After(0)
	return q.pick(visit, func(visit func(Event) bool) error {
		more := true
		err := readFiles(l.Dir, func(e Event) bool {
			if len(recent) > 0 && e.Seq >= recent[0].Seq {
				return false
			}
			more = visit(e)
			return more
		})
		if err != nil && len(recent) == 0 {
			return err
		}
		for i := 0; more && i < len(recent); i++ {
			more = visit(recent[i])
		}
		return nil
	})
}

// Lost is how many events were lost since the daemon began.
func (l *Log) Lost() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Trouble tells why nothing is written, if so.
func (l *Log) Trouble() Trouble {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trouble
}

// SetMaxSize changes how much the history may take on disk.
func (l *Log) SetMaxSize(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.MaxSize = n
}

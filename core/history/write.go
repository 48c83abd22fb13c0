package history

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// batchEvery is how long events are gathered for one write.
	batchEvery = 250 * time.Millisecond
	// retryEvery is how often a disk that refused is tried again.
	retryEvery = time.Second
)

// Run writes until ctx ends, and what is there then.
func (l *Log) Run(ctx context.Context) {
	var f *files
	defer func() {
		if f != nil {
			f.close()
		}
	}()
	for {
		var retry <-chan time.Time
		if l.Trouble().Err != nil {
			retry = time.After(retryEvery)
		}
		select {
		case <-ctx.Done():
			f = l.flush(f)
			return
		case <-l.wake:
		case <-retry:
		}
		f = l.flush(f)
		select {
		case <-ctx.Done():
		case <-time.After(batchEvery):
		}
	}
}

// flush writes all that waits. It gives the files to go on with, nil if they
// have to be opened again.
func (l *Log) flush(f *files) *files {
	if f != nil && !f.there() { // somebody tidied up
		f.close()
		f = nil
	}
	if f == nil {
		opened, last, err := openFiles(l.Dir)
		if err != nil {
			l.report(err)
			return nil
		}
		f = opened
		l.catchUp(last)
	}
	for {
		events, maxSize := l.waiting()
		if len(events) == 0 {
			l.report(nil)
			return f
		}
		lines, n, err := encode(events)
		if err == nil {
			err = f.write(lines, events[0].Seq, maxSize)
		}
		if err != nil {
			l.report(err)
			return f
		}
		l.wrote(events[:n])
	}
}

// catchUp makes room for numbers that are taken, if the files could not be
// read before: what waits is numbered anew.
func (l *Log) catchUp(last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written >= last {
		return
	}
	ahead := last - l.written
	l.written, l.seq = last, l.seq+ahead
	for i := range l.recent {
		l.recent[i].Seq += ahead
	}
}

// waiting gives what is not on disk yet. If some was lost before it, the first
// says so: it has the number of the last that was lost.
func (l *Log) waiting() ([]Event, int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := l.recent[l.behind(l.written):]
	if l.unsaid > 0 && len(events) > 0 {
		l.saying = l.unsaid
		marker := Event{Seq: l.written, At: time.Now(), Object: "history", From: "problem", To: "resumed",
			Why: fmt.Sprintf("%d events before this one were lost: %v", l.saying, l.trouble.Err)}
		return append([]Event{marker.trimmed()}, events...), l.MaxSize
	}
	return slices.Clone(events), l.MaxSize
}

func (l *Log) wrote(events []Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Append may have given up on some of them meanwhile; they are there after all.
	if last := events[len(events)-1].Seq; last > l.written {
		l.written = last
	}
	l.unsaid, l.saying = l.unsaid-l.saying, 0
}

// report keeps Trouble up to date.
func (l *Log) report(err error) {
	l.mu.Lock()
	was, waiting := l.trouble.Err, l.seq-l.written
	same := (was == nil) == (err == nil) && (err == nil || was.Error() == err.Error())
	if !same {
		l.trouble = Trouble{err, time.Now()}
	}
	l.mu.Unlock()
	if same {
		return
	}
	if err != nil {
		l.Log.Error("the history can't be written, events wait in memory", "dir", l.Dir, "error", err, "waiting", waiting)
	} else {
		l.Log.Info("the history is written again", "dir", l.Dir, "lost", l.Lost())
	}
	l.Changed()
}

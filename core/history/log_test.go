package history

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// open gives a Log on dir that counts how often its trouble changed.
func open(dir string, maxSize int64) (*Log, *int) {
	changed := 0
	return Open(Options{Dir: dir, MaxSize: maxSize, Changed: func() { changed++ }, Log: slog.New(slog.DiscardHandler)}), &changed
}

// flushed has a Log write all that waits, once.
func flushed(l *Log) { l.closeFiles(l.flush(nil)) }

func (l *Log) closeFiles(f *files) {
	if f != nil {
		f.close()
	}
}

func numbered(n int) []Event {
	var all []Event
	for i := range n {
		all = append(all, Event{At: time.Unix(int64(i), 0).UTC(), Object: "vip web", From: "a", To: "b", Why: fmt.Sprint("event ", i)})
	}
	return all
}

func onDisk(t *testing.T, dir string) []Event {
	t.Helper()
	var all []Event
	if err := Read(dir, Query{}, func(e Event) bool { all = append(all, e); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}

func seqs(events []Event) []uint64 {
	var all []uint64
	for _, e := range events {
		all = append(all, e.Seq)
	}
	return all
}

func TestRestartGoesOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	for run := range 3 {
		l, _ := open(dir, 1<<20)
		l.Append(numbered(2))
		flushed(l)
		if got := l.Seq(); got != uint64(2*run+2) {
			t.Errorf("run %d ends with number %d", run, got)
		}
	}
	if diff := cmp.Diff([]uint64{1, 2, 3, 4, 5, 6}, seqs(onDisk(t, dir))); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(filepath.Join(dir, segment(1).name()))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestTornEnd cuts a history at every byte of its last two events, as a crash can.
func TestTornEnd(t *testing.T) {
	dir := t.TempDir()
	l, _ := open(dir, 1<<20)
	l.Append(numbered(5))
	flushed(l)
	path := filepath.Join(dir, segment(1).name())
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ends := []int{}
	for i, c := range whole {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	for cut := ends[2]; cut <= len(whole); cut++ {
		for i, tail := range []string{"", "\x00\x00\x00", "garbage\n"} {
			if i > 0 && cut%16 != 0 { // each costs an fsync(2)
				continue
			}
			if err := os.WriteFile(path, append(slices.Clone(whole[:cut]), tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			kept := uint64(3)
			for kept < 5 && ends[kept] <= cut {
				kept++
			}
			l, _ := open(dir, 1<<20)
			l.Append([]Event{{Object: "daemon", To: "started"}})
			flushed(l)
			want := []uint64{}
			for n := range kept + 1 {
				want = append(want, n+1)
			}
			raw, err := os.ReadFile(path)
			if diff := cmp.Diff(want, seqs(onDisk(t, dir))); diff != "" || err != nil || strings.Count(string(raw), "\n") != len(want) || raw[len(raw)-1] != '\n' {
				t.Fatalf("cut at %d of %d, tail %q: %s %v\n%s", cut, len(whole), tail, diff, err, raw)
			}
		}
	}
}

func TestSizeIsBounded(t *testing.T) {
	dir := t.TempDir()
	const maxSize = 256 << 10
	l, _ := open(dir, maxSize)
	const n = 20000
	for range n / 500 {
		l.Append(numbered(500))
		flushed(l)
	}
	var size int64
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if len(entries) != segments || size > maxSize || size < maxSize/2 {
		t.Errorf("%d files with %d bytes, want %d with at most %d", len(entries), size, segments, maxSize)
	}
	got := seqs(onDisk(t, dir))
	for i, seq := range got {
		if seq != got[0]+uint64(i) {
			t.Fatalf("number %d follows %d", seq, got[i-1])
		}
	}
	if got[len(got)-1] != n || l.Lost() != 0 {
		t.Errorf("ends with %d, %d lost", got[len(got)-1], l.Lost())
	}
	// The daemon knows what its files hold, and what it has in memory.
	var asked []Event
	if err := l.Read(Query{}, func(e Event) bool { asked = append(asked, e); return true }); err != nil {
		t.Fatal(err)
	}
	if reach := seqs(asked); len(reach) < len(got) || reach[len(reach)-1] != n || reach[0] != n+1-uint64(len(reach)) {
		t.Errorf("asked for all, the daemon gives %d, from %d to %d", len(reach), reach[0], reach[len(reach)-1])
	}
	l.SetMaxSize(maxSize / 2)
	l.Append(numbered(500))
	flushed(l)
	if last := seqs(onDisk(t, dir)); last[len(last)-1] != n+500 {
		t.Errorf("ends with %d", last[len(last)-1])
	}
}

// TestStart: a host with more objects than are kept in memory loses none of its
// first events, and keeps no more than it has to.
func TestStart(t *testing.T) {
	l, _ := open(t.TempDir(), 64<<20)
	l.Append(numbered(3 * keep))
	flushed(l)
	if n := len(onDisk(t, l.Dir)); n != 3*keep || l.Lost() != 0 {
		t.Errorf("%d on disk, %d lost", n, l.Lost())
	}
	l.Append(numbered(1))
	if n := len(l.recent); n > 2*keep {
		t.Errorf("%d are in memory", n)
	}
}

// TestLateness: an event is on disk within a second, in a burst too.
func TestLateness(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, _ := open(dir, 8<<20)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); l.Run(ctx) }()
		for range 50 {
			l.Append(numbered(3))
			appended := l.Seq()
			<-time.After(70 * time.Millisecond)
			synctest.Wait()
			l.mu.Lock()
			late := appended - l.written
			l.mu.Unlock()
			gathered := min(batchEvery, time.Second) // events.md promises a second
			if most := uint64(3 * (gathered/(70*time.Millisecond) + 1)); late > most {
				t.Fatalf("%d events wait, that is more than %s of them", late, gathered)
			}
		}
		l.Append(numbered(1))
		cancel()
		<-done
	})
	if got := onDisk(t, dir); len(got) != 151 {
		t.Errorf("%d events are on disk", len(got))
	}
}

func TestTrimmed(t *testing.T) {
	l, _ := open(t.TempDir(), 1<<20)
	long := strings.Repeat("\x00é", 5000)
	e := l.Append([]Event{{Object: "check x", To: "down", Why: long + "\xff", Output: long}})[0]
	if len(e.Why) > maxText || len(e.Output) > maxOutput || !strings.HasSuffix(e.Output, "…") {
		t.Errorf("%d and %d bytes", len(e.Why), len(e.Output))
	}
	flushed(l)
	if got := onDisk(t, l.Dir); len(got) != 1 || got[0] != e {
		t.Errorf("%+v", got)
	}
}

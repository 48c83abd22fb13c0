package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFullDisk has the kernel refuse every write beyond a size (RLIMIT_FSIZE,
// setrlimit(2)), then allow it again.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	l, changed := open(dir, 64<<20)
	l.Append(numbered(3))
	flushed(l)
	before, err := os.ReadFile(filepath.Join(dir, segment(1).name()))
	if err != nil {
		t.Fatal(err)
	}
	allow := limitFileSize(t, uint64(len(before)+40)) // half a line more
	const many = maxWaiting + 2*keep
	for range many / 64 {
		l.Append(numbered(64))
	}
	f := l.flush(nil)
	defer l.closeFiles(f)
	if tr := l.Trouble(); !errors.Is(tr.Err, syscall.EFBIG) || tr.Since.IsZero() || *changed != 1 {
		t.Errorf("trouble %+v, told %d times", tr, *changed)
	}
	if after, err := os.ReadFile(filepath.Join(dir, segment(1).name())); err != nil || string(after) != string(before) {
		t.Errorf("a refused write left %q, %v", after[len(before):], err)
	}
	f = l.flush(f)
	if *changed != 1 {
		t.Errorf("the same trouble was told %d times", *changed)
	}
	lost := l.Lost()
	if n := len(l.recent); lost != many-uint64(n) || lost == 0 {
		t.Errorf("%d lost, with %d of %d in memory", lost, n, many)
	}
	allow()
	f = l.flush(f)
	if tr := l.Trouble(); tr.Err != nil || *changed != 2 {
		t.Errorf("trouble %+v, told %d times", tr, *changed)
	}
	got := onDisk(t, dir)
	marker := got[3]
	if marker.Object != "history" || marker.State() != "resumed" || !strings.HasPrefix(marker.Why, fmt.Sprint(lost, " events before this one were lost: ")) || marker.Seq != 3+lost {
		t.Errorf("%+v, want a word on %d lost", marker, lost)
	}
	if first, last := got[4].Seq, got[len(got)-1].Seq; first != 4+lost || last != l.Seq() || l.Lost() != lost {
		t.Errorf("goes on with %d up to %d of %d", first, last, l.Seq())
	}
	l.Append(numbered(1))
	l.flush(f)
	if n := len(slices.DeleteFunc(onDisk(t, dir), func(e Event) bool { return e.Object != "history" })); n != 1 {
		t.Errorf("the loss was told %d times", n)
	}
}

// TestUnreadable: what is in the way is no reason to stand still, and when it
// is gone the numbers go on behind those on disk.
func TestUnreadable(t *testing.T) {
	root := t.TempDir()
	dir, aside := filepath.Join(root, "history"), filepath.Join(root, "aside")
	l, _ := open(dir, 1<<20)
	l.Append(numbered(7))
	flushed(l)
	if err := errors.Join(os.Rename(dir, aside), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	l, _ = open(dir, 1<<20)
	if l.Trouble().Err == nil {
		t.Error("no trouble")
	}
	l.Append(numbered(2))
	flushed(l)
	if events, _ := l.After(0); len(events) != 2 {
		t.Errorf("%v", events)
	}
	if err := errors.Join(os.Remove(dir), os.Rename(aside, dir)); err != nil {
		t.Fatal(err)
	}
	flushed(l)
	if diff := cmp.Diff([]uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, seqs(onDisk(t, dir))); diff != "" || l.Trouble().Err != nil {
		t.Errorf("%s, %v", diff, l.Trouble())
	}
}

// TestRemoved: who takes the history away gets a new one, numbered on.
func TestRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	l, _ := open(dir, 1<<20)
	l.Append(numbered(3))
	f := l.flush(nil)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	l.Append(numbered(2))
	f = l.flush(f)
	defer l.closeFiles(f)
	if diff := cmp.Diff([]uint64{4, 5}, seqs(onDisk(t, dir))); diff != "" || l.Trouble().Err != nil {
		t.Errorf("%s, %v", diff, l.Trouble())
	}
}

package history

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

const childDir = "STENTOR_TEST_HISTORY_CHILD"

// TestMain is also the process that TestKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

func writeUntilKilled(dir string) {
	l, _ := open(dir, 256<<10)
	go l.Run(context.Background())
	onDisk := func() uint64 {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.written
	}
	for {
		e := l.Append(numbered(1))[0]
		fmt.Println(e.Seq, onDisk())
		<-time.After(200 * time.Microsecond)
		for e.Seq-onDisk() > keep { // what a disk that stands still makes it lose is not the point here
			<-time.After(batchEvery)
		}
	}
}

// TestKill kills a writer at some moment, again and again. What it says is on
// disk is there each time, and nothing else is damaged.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	var last uint64
	for round := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		var newest, written uint64 // taken in at all, and on disk by its own word
		var wrote time.Time        // when it had written for the first time
		for killed := false; lines.Scan(); {
			if _, err := fmt.Sscan(lines.Text(), &newest, &written); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			if written > last && wrote.IsZero() {
				wrote = time.Now()
			}
			if !wrote.IsZero() && !killed && time.Since(wrote) > batchEvery+time.Duration(50+round*70)*time.Millisecond {
				killed = true
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		if written <= last {
			t.Fatalf("round %d: nothing was written", round)
		}
		got := seqs(onDisk(t, dir))
		for i, seq := range got {
			if seq != got[0]+uint64(i) {
				t.Fatalf("round %d: number %d follows %d", round, seq, got[i-1])
			}
		}
		last = got[len(got)-1]
		if last < written || last > newest+1 { // the word of one more may not have got out
			t.Errorf("round %d: on disk up to %d; by its own word up to %d, taken in at all: %d", round, last, written, newest)
		}
		t.Logf("round %d: killed at number %d, on disk up to %d, by its own word up to %d", round, newest, last, written)
	}
}

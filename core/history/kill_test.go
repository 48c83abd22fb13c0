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
	for {
		e := l.Append(numbered(1))[0]
		fmt.Println(e.Seq, time.Now().UnixNano())
		<-time.After(200 * time.Microsecond)
	}
}

// stamp is when an event was taken in.
type stamp struct {
	seq uint64
	at  time.Time
}

// aged is after what time an event has to be on disk: two batches, on a disk that
// others keep busy.
const aged = 3 * time.Second

// TestKill kills a writer at some moment, again and again. What it took in some
// time before is on disk each time, and nothing else is damaged.
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
		var old, newest uint64 // taken in that long before the kill, and at all
		var began time.Time
		var taken []stamp
		run := aged + time.Duration(50+round*70)*time.Millisecond
		killed := time.Time{}
		for lines.Scan() {
			var nano int64
			if _, err := fmt.Sscan(lines.Text(), &newest, &nano); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			at := time.Unix(0, nano)
			if began.IsZero() {
				began = at
			}
			taken = append(taken, stamp{newest, at})
			if killed.IsZero() && at.Sub(began) > run {
				killed = time.Now()
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		for _, e := range taken {
			if killed.Sub(e.at) > aged {
				old = e.seq
			}
		}
		if old <= last {
			t.Fatalf("round %d: nothing was old", round)
		}
		got := seqs(onDisk(t, dir))
		for i, seq := range got {
			if seq != got[0]+uint64(i) {
				t.Fatalf("round %d: number %d follows %d", round, seq, got[i-1])
			}
		}
		last = got[len(got)-1]
		if last < old || last > newest {
			t.Errorf("round %d: on disk up to %d; taken in %s before the kill: %d, at all: %d", round, last, aged, old, newest)
		}
		t.Logf("round %d: killed at number %d, on disk up to %d", round, newest, last)
	}
}

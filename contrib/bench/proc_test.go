package main

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseUsage(t *testing.T) {
	const status = "Name:\tstentor run\nVmHWM:\t   20000 kB\nVmRSS:\t   10000 kB\nThreads:\t7\nSigQ:\t0/1\nGroups:\t \n"
	const stat = "4711 (a) R (b) S 4 4711 4711 0 -1 4194304 1 2 3 4 12 30 0 0 20 0 7 0 100 1 2 3\n"
	got, err := parseUsage(status, stat)
	if err != nil {
		t.Fatal(err)
	}
	want := usage{rss: 10.24, peak: 20.48, ticks: 42, threads: 7}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(usage{})); diff != "" {
		t.Error(diff)
	}
	if _, err := parseUsage(status, "4711 (a) S"); err == nil {
		t.Error("half a stat line is taken")
	}
}

func TestWithChildren(t *testing.T) {
	child := exec.Command("cat")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer in.Close()
	pids, err := withChildren(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if pids[0] != os.Getpid() || !slices.Contains(pids, child.Process.Pid) {
		t.Errorf("processes %v, want %d and its child %d", pids, os.Getpid(), child.Process.Pid)
	}
	u, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if u.rss <= 0 || u.peak < u.rss || u.threads < 1 || u.fds < 1 {
		t.Errorf("of this process: %+v", u)
	}
}

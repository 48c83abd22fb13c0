package main

import (
	"context"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/contrib/lab"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{"-runs", "3", "-only", "FRR"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.runs != 3 || o.vips != 10000 || !o.only.MatchString("FRR: start") || o.only.MatchString("BIRD: start") {
		t.Errorf("options %+v", o)
	}
	for _, args := range [][]string{
		{"-runs", "0"}, {"-other-runs", "0"}, {"-churn", "0"}, {"-vips", "1"}, {"-vips", "1000000"}, {"-flood", "0"},
		{"-flood", "2000000"}, {"-idle", "1ms"}, {"-only", "("}, {"-what"}, {"bin/stentor"},
	} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

func TestPrefixes(t *testing.T) {
	seen := map[netip.Prefix]bool{}
	for _, p := range prefixes(maxVIPs) {
		if seen[p] || p != p.Masked() || p.Addr().Is4() && !range4.Contains(p.Addr()) {
			t.Fatalf("%s: twice, or not a prefix of ours", p)
		}
		seen[p] = true
	}
	if len(seen) != maxVIPs {
		t.Errorf("%d prefixes, want %d", len(seen), maxVIPs)
	}
}

// TestConfigSize: a config file may have 1 MiB.
func TestConfigSize(t *testing.T) {
	if n := len((&stentor{backend: lab.GoBGP}).config(prefixes(maxVIPs), "secondary")); n > 1<<20 {
		t.Errorf("the config of %d VIPs has %d bytes", maxVIPs, n)
	}
}

// TestRun takes every measurement once, and small.
func TestRun(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for network namespaces")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "stentor")
	build := exec.Command("go", "build", "-o", dir+"/", "../../cmd/...")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build stentor: %v\n%s", err, out)
	}
	o, err := parse([]string{"-binary", binary, "-runs", "1", "-other-runs", "1", "-vips", "20", "-idle", "1s", "-flood", "1000", "-churn", "3"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out, talk strings.Builder
	if err := run(context.Background(), "benchtest", o, &out, &talk); err != nil {
		t.Fatalf("%v\n%s", err, talk.String())
	}
	for _, want := range []string{
		"\nstart to first UPDATE, ms ", "\nkill -9 to all sessions closed, ms ", "\nreload with a changed role: UPDATEs in all ",
		"\naddress deleted by hand to announced again, ms ", "\nstart to 20 routes at all 4 peers, ms ",
		"\n1000 routes from a peer: RSS, MB ", "\n3 drains, each taken back: threads ", "\nRSS idle, 4 peers and 2 VIPs, MB ",
		"\nthe speaker alone: open, ms ", "\nthe speaker alone: Apply of 20 announcements, ms ", "\nRSS of the speaker's process, MB ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

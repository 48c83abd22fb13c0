package main

import (
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
)

// TestIsolated: [backend.NAME] isolate = true gives a built-in a process of its
// own that answers as the built-in would, and ends with Close.
func TestIsolated(t *testing.T) {
	run, err := os.MkdirTemp("", "sp") // short: a socket's path has 108 bytes (unix(7))
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(run)
	if err := os.Chmod(run, 0o755); err != nil { // for the other user
		t.Fatal(err)
	}
	a := &app{talk: os.Stderr}
	reg := a.registryFor(slog.New(slog.DiscardHandler), registry.Options{StateDir: t.TempDir(), Plugins: host.Options{RunDir: run}})
	b, err := reg.OpenBGP(t.Context(), "gobgp", map[string]map[string]any{"gobgp": {"isolate": true}})
	if err != nil {
		t.Fatal(err)
	}
	process, ok := b.(*host.BGP)
	if !ok {
		t.Fatalf("a %T", b)
	}
	builtin, _ := reg.Info(plugins.KindBGP, "gobgp")
	if d := cmp.Diff(builtin, b.Info()); d != "" {
		t.Error(d)
	}
	p, err := b.Plan(t.Context(), plugins.Speaker{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.7"), Peers: []plugins.Peer{
		{Name: "rs1", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 65000, Hold: 9 * time.Second, Keepalive: 3 * time.Second},
	}})
	if err != nil || len(p.Steps) == 0 {
		t.Errorf("%+v, %v", p, err)
	}
	pid := process.State().PID
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("it outlived Close")
	}
}

// BenchmarkOpen is what isolation costs at the start: from nothing to a speaker
// that is configured, in a process of its own and in this one.
func BenchmarkOpen(b *testing.B) {
	for name, isolate := range map[string]bool{"isolated": true, "here": false} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				a := &app{talk: os.Stderr}
				reg := a.registryFor(slog.New(slog.DiscardHandler), registry.Options{StateDir: b.TempDir()})
				start := time.Now()
				if _, err := reg.OpenBGP(b.Context(), "gobgp", map[string]map[string]any{"gobgp": {"isolate": isolate}}); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
				b.StopTimer()
				reg.Close()
				b.StartTimer()
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds()*1000, "ms/median")
		})
	}
}

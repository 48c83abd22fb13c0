package host

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkStart is from nothing to a backend that answers: the checks, the
// process, the handshake, the first ping and Info.
func BenchmarkStart(b *testing.B) {
	r := newRig(b)
	r.install("ok")
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		n, err := r.tryOpen("ok")
		took = append(took, time.Since(start))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := n.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(median(took), "ms/median")
}

// BenchmarkCall is one unary call there and back.
func BenchmarkCall(b *testing.B) {
	r := newRig(b)
	r.install("ok")
	n := r.open("ok")
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := n.Observe(b.Context()); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	b.ReportMetric(median(took), "ms/median")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.State().PID))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var rss float64
	if _, err := fmt.Sscan(rest, &rss); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(rss/1024, "RSS-MiB")
}

func median(all []time.Duration) float64 {
	slices.Sort(all)
	return all[len(all)/2].Seconds() * 1000
}

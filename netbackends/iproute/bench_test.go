package iproute

import (
	"net/netip"
	"testing"

	"github.com/stentor-net/stentor/netbackends/internal/nstest"
	"github.com/stentor-net/stentor/plugins"
)

func many(count int) []plugins.VIP {
	want := make([]plugins.VIP, count)
	a := netip.MustParseAddr("203.0.0.0")
	for i := range want {
		a = a.Next()
		want[i] = plugins.VIP{Name: "v" + a.String(), Addr: a, Link: "lo"}
	}
	return want
}

// BenchmarkApplyFirst includes the kernel's own work, which grows with the
// square of the addresses on one link.
func BenchmarkApplyFirst1000(b *testing.B)  { benchmarkApplyFirst(b, 1000) }
func BenchmarkApplyFirst10000(b *testing.B) { benchmarkApplyFirst(b, 10_000) }

func benchmarkApplyFirst(b *testing.B, count int) {
	want := many(count)
	for b.Loop() {
		b.StopTimer()
		ns, backend := nstest.New(b), newBackend(b, b.TempDir())
		b.StartTimer()
		ns.Do(func() {
			if err := backend.Apply(b.Context(), want); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// What core does again and again, when there is nothing to do.

func BenchmarkUnchangedApply10000(b *testing.B) {
	benchmarkUnchanged(b, func(be *Backend, want []plugins.VIP) error { return be.Apply(b.Context(), want) })
}

func BenchmarkUnchangedPlan10000(b *testing.B) {
	benchmarkUnchanged(b, func(be *Backend, want []plugins.VIP) error { _, err := be.Plan(b.Context(), want); return err })
}

func BenchmarkUnchangedObserve10000(b *testing.B) {
	benchmarkUnchanged(b, func(be *Backend, _ []plugins.VIP) error { _, err := be.Observe(b.Context()); return err })
}

func benchmarkUnchanged(b *testing.B, call func(*Backend, []plugins.VIP) error) {
	want := many(10_000)
	ns, backend := nstest.New(b), newBackend(b, b.TempDir())
	ns.Do(func() {
		if err := backend.Apply(b.Context(), want); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := call(backend, want); err != nil {
				b.Fatal(err)
			}
		}
	})
}

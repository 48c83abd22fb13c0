package health

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serverEnv makes this binary the server that the benchmark's checks ask: in a
// process of its own, so that its work is not counted.
const serverEnv = "STENTOR_BENCH_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) == "" {
		os.Exit(m.Run())
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
	fmt.Println(s.Listener.Addr())
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the benchmark ends
}

func startServer(b *testing.B) (addr string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	addr, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(addr)
}

// hanging is the target of checks that take all of their timeout.
const hanging = "hang"

// BenchmarkChecks runs 2,000 checks once a second each, and tells what that
// costs and how late they begin:
//
//	go test -run '^$' -bench Checks -benchtime 1x ./core/health
func BenchmarkChecks(b *testing.B) {
	const checks, seconds = 2000, 15
	addr := startServer(b)
	web := HTTP{URL: "http://" + addr + "/", Method: "GET", Status: []StatusRange{{200, 200}}, Match: "ok"}
	tcp := TCP{Addr: addr}
	file := File{Path: filepath.Join(b.TempDir())}
	process := Process{Name: "health.test"}
	hang := &stub{hanging, func(ctx context.Context) result { <-ctx.Done(); return bad("no answer in time") }}
	mixes := []struct {
		name string
		mix  func(i int) Probe
	}{
		// What the machine and the Runner cost by themselves: on a busy machine,
		// the rest is late for no fault of its own.
		{"nothing", func(int) Probe { return &stub{"nothing", func(context.Context) result { return good("") }} }},
		{"http", func(int) Probe { return web }},
		{"tcp", func(int) Probe { return tcp }},
		{"mixed", func(i int) Probe {
			switch {
			case i%40 == 0: // 50 a second
				return Exec{Argv: []string{"true"}}
			case i%10 == 1:
				return process
			case i%10 == 2:
				return file
			case i%2 == 0:
				return web
			}
			return tcp
		}},
		{"http, half of them beside 1000 that hang", func(i int) Probe {
			if i%2 == 0 {
				return hang
			}
			return web
		}},
	}
	for _, m := range mixes {
		b.Run(m.name, func(b *testing.B) {
			for b.Loop() {
				bench(b, checks, seconds, m.mix)
			}
		})
	}
}

func bench(b *testing.B, checks, seconds int, mix func(int) Probe) {
	specs := make([]Spec, checks)
	for i := range specs {
		specs[i] = Spec{Name: fmt.Sprintf("web/%d", i), Probe: mix(i), Every: time.Second, FastEvery: time.Second, Timeout: 900 * time.Millisecond, Rise: 2, Fall: 3, Initial: Unknown, Weight: 1}
	}
	r := New(discard(), func() {})
	r.Set(specs)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx)
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	<-tick.C // the start is not the daily work
	<-tick.C
	cpu, began := cpuTime(b), time.Now()
	var late []time.Duration
	goroutines := 0
	for range seconds {
		<-tick.C
		goroutines = max(goroutines, runtime.NumGoroutine())
		for _, s := range r.View() {
			if s.Target != hanging {
				late = append(late, s.Late)
			}
		}
	}
	used := cpuTime(b) - cpu
	wall := time.Since(began)
	up := 0
	for _, s := range r.View() {
		if s.State == Up {
			up++
		}
	}
	cancel()
	<-done
	slices.Sort(late)
	ms := func(share float64) float64 {
		return float64(late[min(int(share*float64(len(late))), len(late)-1)]) / float64(time.Millisecond)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(100*used.Seconds()/wall.Seconds(), "%cpu")
	b.ReportMetric(rss(b), "MiB-rss")
	b.ReportMetric(ms(0.5), "ms-late-p50")
	b.ReportMetric(ms(0.99), "ms-late-p99")
	b.ReportMetric(ms(1), "ms-late-max")
	b.ReportMetric(float64(goroutines), "goroutines")
	b.ReportMetric(float64(up), "up")
}

// cpuTime is what this process and the children that it waited for have used.
func cpuTime(b *testing.B) (sum time.Duration) {
	b.Helper()
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// rss is how much memory this process holds now, in MiB.
func rss(b *testing.B) float64 {
	b.Helper()
	var pages, resident float64
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := fmt.Sscan(string(data), &pages, &resident); err != nil {
		b.Fatal(err)
	}
	return resident * float64(os.Getpagesize()) / (1 << 20)
}

package health

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// stub is a probe whose answers the test makes.
type stub struct {
	name   string
	answer func(context.Context) result
}

func (stub) Kind() string                   { return "stub" }
func (p stub) Target() string               { return p.name }
func (p stub) prepare(*shared) (ask, error) { return p.answer, nil }

func spec(name string, answer func(context.Context) result) Spec {
	return Spec{Name: name, Probe: &stub{name, answer}, Every: 2 * time.Second, Timeout: time.Second, FastEvery: 2 * time.Second, Rise: 2, Fall: 3, Initial: Unknown, Weight: 1}
}

// script answers by a history, and with its last letter for ever after.
type script struct {
	mu   sync.Mutex
	rest string
	runs []time.Time
}

func (s *script) answer(context.Context) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = append(s.runs, time.Now())
	o := Outcome(s.rest[0])
	if len(s.rest) > 1 {
		s.rest = s.rest[1:]
	}
	return result{outcome: o, output: string(o)}
}

func (s *script) times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.runs)
}

// run has a Runner at work in the bubble of a synctest until the test ends.
func run(t *testing.T, specs ...Spec) (*Runner, *atomic.Int32) {
	t.Helper()
	var told atomic.Int32
	r := New(discard(), func() { told.Add(1) })
	r.Set(specs)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	synctest.Wait()
	told.Store(0)
	return r, &told
}

func TestRiseAndFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{rest: "++---+++-"}
		c := spec("a", s.answer)
		c.Every, c.FastEvery = time.Second, time.Second
		r, told := run(t, c)
		var states []State
		for range 9 {
			time.Sleep(time.Second)
			synctest.Wait()
			states = append(states, r.View()["a"].State)
		}
		want := []State{Unknown, Up, Up, Up, Down, Down, Up, Up, Up}
		if diff := cmp.Diff(want, states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if told.Load() != 3 {
			t.Errorf("changed was called %d times, want once for each change of state", told.Load())
		}
		if got := History(r.View()["a"].Recent); got != "++---+++-" {
			t.Errorf("the history is %s", got)
		}
	})
}

func TestEdgeIsSeenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *Runner
		var seen []State
		s := &script{rest: "++---"}
		r = New(discard(), func() { seen = append(seen, r.View()["a"].State) })
		r.Set([]Spec{spec("a", s.answer)})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = r.Run(ctx) }()
		time.Sleep(20 * time.Second)
		cancel()
		synctest.Wait()
		if diff := cmp.Diff([]State{Unknown, Up, Down}, seen); diff != "" {
			t.Errorf("the View at each call of changed (-want +got):\n%s", diff)
		}
	})
}

func TestNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{rest: "+"}
		slow := func(ctx context.Context) result {
			answer := s.answer(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(700 * time.Millisecond):
			}
			return answer
		}
		run(t, spec("a", slow))
		time.Sleep(1000 * time.Second)
		times := s.times()
		if n := len(times); n < 499 || n > 501 {
			t.Errorf("%d runs in 1000 s, want one in 2 s", n)
		}
		for i := 2; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap != 2*time.Second {
				t.Fatalf("run %d came after %s", i, gap)
			}
		}
	})
}

func TestFastEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{rest: "++++---"}
		c := spec("a", s.answer)
		c.Every, c.FastEvery = 10*time.Second, 500*time.Millisecond
		r, _ := run(t, c)
		time.Sleep(60 * time.Second)
		if r.View()["a"].State != Down {
			t.Fatalf("it is %s", r.View()["a"].State)
		}
		var gaps []time.Duration
		times := s.times()
		for i := 1; i < 7; i++ {
			gaps = append(gaps, times[i].Sub(times[i-1]))
		}
		// Undecided; up, back to its slots; up; a bad result.
		if gaps[0] != c.FastEvery || gaps[1] > c.Every || gaps[2] != c.Every || gaps[3] != c.Every || gaps[4] != c.FastEvery || gaps[5] != c.FastEvery {
			t.Errorf("the runs lie %v apart", gaps)
		}
	})
}

func TestHangDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{rest: "+"}
		specs := []Spec{spec("good", s.answer)}
		for i := range 500 {
			specs = append(specs, spec(fmt.Sprint("hangs", i), func(ctx context.Context) result {
				<-ctx.Done()
				return bad("no answer in time")
			}))
		}
		r, _ := run(t, specs...)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		v := r.View()
		if g := v["good"]; g.State != Up || g.Late != 0 || len(g.Recent) < 10 {
			t.Errorf("the good one is %s, %s late, after %d runs", g.State, g.Late, len(g.Recent))
		}
		if h := v["hangs7"]; h.State != Down || h.Took != time.Second || h.Output != "no answer in time" {
			t.Errorf("the hanging one is %s after %s: %s", h.State, h.Took, h.Output)
		}
	})
}

// TestUnstoppable has a run that ignores its context, as a stat on a dead NFS
// server does.
func TestUnstoppable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, began := make(chan struct{}), atomic.Int32{}
		r, _ := run(t, spec("a", func(context.Context) result {
			began.Add(1)
			<-release
			return good("late")
		}))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if began.Load() != 1 {
			t.Errorf("%d runs hang at once", began.Load())
		}
		if a := r.View()["a"]; a.State != Down || len(a.Recent) < 14 {
			t.Errorf("it is %s after %d results", a.State, len(a.Recent))
		}
		close(release)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if a := r.View()["a"]; a.State != Up {
			t.Errorf("it answers again, and is %s: %s", a.State, a.Output)
		}
	})
}

func TestSetKeepsWhatIsEqual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, other := &script{rest: "+"}, &script{rest: "-"}
		kept := spec("kept", s.answer)
		paced := spec("paced", s.answer)
		r, told := run(t, kept, paced, spec("gone", s.answer), spec("other", s.answer))
		time.Sleep(10 * time.Second)
		before := r.View()
		paced.Every, paced.FastEvery, paced.Weight = 4*time.Second, 4*time.Second, 7
		r.Set([]Spec{kept, paced, spec("other", other.answer)})
		after := r.View()
		if told.Load() == 0 {
			t.Error("nobody was told that there are other checks")
		}
		if diff := cmp.Diff(before["kept"], after["kept"]); diff != "" {
			t.Errorf("the equal one changed:\n%s", diff)
		}
		if p := after["paced"]; p.State != Up || p.Since != before["paced"].Since || p.Weight != 7 {
			t.Errorf("the one with another pace is %+v", p)
		}
		if _, there := after["gone"]; there {
			t.Error("the one that went is still there")
		}
		if o := after["other"]; o.State != Unknown || len(o.Recent) != 0 {
			t.Errorf("the one that asks something else is %+v", o)
		}
		n := len(s.times())
		time.Sleep(20 * time.Second)
		if got := len(s.times()) - n; got < 14 || got > 16 {
			t.Errorf("%d runs in 20 s, want 10 of one and 5 of the other", got)
		}
	})
}

func TestInvert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := spec("a", func(context.Context) result { return bad("it is not there") })
		c.Invert = true
		b := spec("b", func(context.Context) result { return notRun("permission denied") })
		b.Invert = true
		r, _ := run(t, c, b)
		time.Sleep(10 * time.Second)
		if v := r.View(); v["a"].State != Up || v["b"].State != Broken {
			t.Errorf("a is %s, want up; b is %s, want broken", v["a"].State, v["b"].State)
		}
	})
}

func TestInitial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := spec("a", func(context.Context) result { return good("") })
		c.Initial = Up
		r := New(discard(), func() {})
		r.Set([]Spec{c})
		if a := r.View()["a"]; a.State != Up || a.Weight != 1 || !a.At.IsZero() {
			t.Errorf("before its first run it is %+v", a)
		}
	})
}

// TestPrepareFails: what can't be prepared is tried again.
func TestPrepareFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := spec("a", nil)
		c.Probe = HTTP{URL: "https://127.0.0.1/", Method: "GET", TLS: TLS{CAFile: t.TempDir() + "/none.pem"}}
		r, _ := run(t, c)
		time.Sleep(10 * time.Second)
		if a := r.View()["a"]; a.State != Broken {
			t.Errorf("it is %s: %s", a.State, a.Output)
		}
	})
}

// TestViewIsFresh: results that decide nothing are seen within a second.
func TestViewIsFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{rest: "+"}
		r, _ := run(t, spec("a", s.answer))
		for range 100 {
			time.Sleep(1100 * time.Millisecond)
			synctest.Wait()
			r.View()
			time.Sleep(viewAge)
			synctest.Wait()
			if at, last := r.View()["a"].At, s.times()[len(s.times())-1]; last.Sub(at) > viewAge {
				t.Fatalf("the View is %s old", last.Sub(at))
			}
		}
	})
}

func TestPushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := spec("a", nil)
		c.Probe, c.Rise = Interface{Name: "eth1"}, 2
		r, told := run(t, c)
		link := func(why string) {
			r.Feed(func(f *Facts) { f.Links = map[string]string{"eth1": why} })
		}
		state := func() State { return r.View()["a"].State }
		time.Sleep(time.Minute)
		if state() != Unknown {
			t.Errorf("nobody told anything, and it is %s", state())
		}
		link("")
		if state() != Unknown {
			t.Errorf("after the first of two good results it is %s", state())
		}
		time.Sleep(c.FastEvery)
		synctest.Wait()
		if state() != Up || told.Load() != 1 {
			t.Errorf("after the second it is %s, told %d times", state(), told.Load())
		}
		link("eth1 has no carrier")
		if state() != Down || told.Load() != 2 {
			t.Errorf("it is %s, told %d times: a push needs no fall", state(), told.Load())
		}
		link("eth1 has no carrier")
		link("eth1 has no carrier")
		if got := History(r.View()["a"].Recent); got != "++-" {
			t.Errorf("the same told again makes the history %s", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := History(r.View()["a"].Recent); got != "++-" {
			t.Errorf("time alone makes the history %s", got)
		}
	})
}

func TestJudge(t *testing.T) {
	facts := Facts{
		Sessions: map[string]bool{"rs1": true, "rs2": false, "rs3": true},
		Links:    map[string]string{"eth0": "", "eth1": "eth1 has no carrier"},
		VIPs:     map[string]string{"web": "", "db": "withdrawn"},
		Units: map[string]UnitState{
			"a.service": {Load: "loaded", Active: "active", Sub: "running"},
			"b.service": {Load: "loaded", Active: "deactivating", Sub: "stop-sigterm"},
			"c.service": {Load: "not-found", Active: "inactive", Sub: "dead"},
			"d.service": {Err: "systemd can't be asked: no bus"},
			"e.service": {Load: "loaded", Active: "reloading", Sub: "reload"},
			"f.service": {Load: "loaded", Active: "activating", Sub: "auto-restart"},
		},
	}
	tests := []struct {
		probe pushed
		want  string
	}{
		{Sessions{AtLeast: 2}, "+2 of 3 sessions established"},
		{Sessions{AtLeast: 3}, "-2 of 3 sessions established"},
		{Sessions{AtLeast: 1, Peers: []string{"rs2"}}, "-0 of 1 sessions established"},
		{Interface{"eth0"}, "+eth0 is up"},
		{Interface{"eth1"}, "-eth1 has no carrier"},
		{Interface{"eth2"}, "-there is no interface eth2"},
		{Gate{"web"}, "+web is announced"},
		{Gate{"db"}, "-db is withdrawn"},
		{Gate{"new"}, "?"},
		{Unit{"a.service"}, "+active (running)"},
		{Unit{"b.service"}, "-deactivating (stop-sigterm)"},
		{Unit{"c.service"}, "!there is no unit c.service"},
		{Unit{"d.service"}, "!systemd can't be asked: no bus"},
		{Unit{"e.service"}, "+reloading (reload)"},
		{Unit{"f.service"}, "-activating (auto-restart)"},
	}
	for _, tt := range tests {
		got := "?"
		if r, ok := tt.probe.judge(facts); ok {
			got = string(r.outcome) + r.output
		}
		if got != tt.want {
			t.Errorf("%s %s is judged %s, want %s", tt.probe.Kind(), tt.probe.Target(), got, tt.want)
		}
		if _, ok := tt.probe.judge(Facts{}); ok {
			t.Errorf("%s is judged by nothing", tt.probe.Kind())
		}
	}
}

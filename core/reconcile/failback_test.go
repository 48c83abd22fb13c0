package reconcile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/status"
)

func TestFailback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := checked(config.Failover{NoPreempt: true})
		latched := func(when string, w *world, l *Loop) {
			t.Helper()
			s := l.Status()
			if got := s.VIPs[0]; !got.Demoted || w.announced()[0] != 65000<<16|2 || s.Healthy() {
				t.Errorf("%s: %+v", when, got)
			}
			if len(s.Problems) != 1 || s.Problems[0].Hint != "to take it back: stentor failback vip1" {
				t.Errorf("%s: problems %+v", when, s.Problems)
			}
		}
		back := func(when string, w *world, l *Loop) {
			t.Helper()
			if s := l.Status(); s.VIPs[0].Demoted || w.announced()[0] != 65000<<16|1 || !s.Healthy() {
				t.Errorf("%s: %+v, %+v", when, s.VIPs, s.Problems)
			}
		}
		w, l, stop := running(t, dir, c)
		w.good(l)
		settle(time.Second)
		back("healthy", w, l)
		w.bad(l)
		settle(time.Second)
		w.good(l)
		settle(time.Second)
		latched("recovered", w, l)
		stop()

		w, l, stop = running(t, dir, c)
		w.good(l)
		settle(time.Second)
		latched("after a restart", w, l)
		if err := l.Failback(t.Context(), []string{"other"}); err != nil {
			t.Fatal(err)
		}
		settle(time.Second)
		latched("after another VIP's failback", w, l)
		if err := l.Failback(t.Context(), []string{"vip1"}); err != nil {
			t.Fatal(err)
		}
		settle(time.Second)
		back("failback", w, l)
		stop()

		w, l, stop = running(t, dir, c)
		w.good(l)
		settle(time.Second)
		back("after another restart", w, l)
		w.bad(l)
		settle(time.Second)
		w.good(l)
		settle(time.Second)
		latched("again", w, l)
		if err := l.Drains.Set([]string{"vip1"}, Drain{Since: time.Now()}); err != nil {
			t.Fatal(err)
		}
		l.Wake()
		settle(time.Minute)
		if err := l.Drains.Clear([]string{"vip1"}, []string{"vip1"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		l.Wake()
		settle(time.Second)
		back("undrained", w, l)
		stop()
	})
}

// TestLatchCannotBeKept: a disk that takes nothing is said, holds nothing up,
// and is tried again.
func TestLatchCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	inTheWay := filepath.Join(dir, ".failback.json.tmp")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w, l, stop := running(t, dir, checked(config.Failover{NoPreempt: true}))
		defer stop()
		w.good(l)
		settle(time.Second)
		w.bad(l)
		settle(time.Second)
		if w.announced() != nil {
			t.Error("not withdrawn")
		}
		s := l.Status()
		if !slices.ContainsFunc(s.Problems, func(p status.Problem) bool {
			return p.Object == "daemon" && strings.HasPrefix(p.Message, "which VIPs wait for a failback can't be kept over a restart: ")
		}) {
			t.Errorf("problems %+v", s.Problems)
		}
		if err := l.Failback(t.Context(), nil); err == nil || !strings.HasPrefix(err.Error(), "done, but it could not be kept, so a restart undoes it: ") {
			t.Errorf("got %v", err)
		}
		if err := os.Remove(inTheWay); err != nil {
			t.Fatal(err)
		}
		settle(time.Minute)
		for _, p := range l.Status().Problems {
			if p.Object == "daemon" {
				t.Errorf("still %+v", p)
			}
		}
	})
}

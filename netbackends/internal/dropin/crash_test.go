package dropin

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

// crashed is what a process leaves off with in these tests: a panic runs no
// more code of Apply, as kill -9 would not.
type crashed struct{}

// crash makes step be called before each step that a crash or a full disk
// could part from the next.
func (e *Engine) crash(step func(name string) error) {
	e.root.Step, e.journal.root.Step, e.live.Step = step, step, step
}

// crashAt crashes before the given step of an Apply, counted from 1, and tells
// whether there was one.
func (r *rig) crashAt(at int, want ...string) (reached bool) {
	r.t.Helper()
	e := r.engine()
	steps := 0
	e.crash(func(string) error {
		if steps++; steps == at {
			panic(crashed{})
		}
		return nil
	})
	defer func() {
		if p := recover(); p != nil {
			if _, ours := p.(crashed); !ours {
				panic(p)
			}
			reached = true
		}
	}()
	if err := e.Apply(context.Background(), vips(want...)); err != nil {
		r.t.Fatal(err)
	}
	return false
}

var (
	foreign  = "address add 203.0.113.11/32 dev lo\naddress add 2001:db8::99/64 dev lo"
	oldState = []string{"a 203.0.113.10", "b 203.0.113.11", "c 2001:db8::10"}
	newState = []string{"b 203.0.113.11", "c 2001:db8::10", "d 203.0.113.13", "e 2001:db8::11"}
)

// hostOf is the whole host after an undisturbed Apply of each state in turn.
func hostOf(t *testing.T, states ...[]string) (whole []string) {
	inside(t, foreign, func() {
		r := newRig(t)
		for _, s := range states {
			r.apply(s...)
		}
		whole = r.whole()
	})
	return whole
}

// TestCrashAtEveryStep crashes once before each step between an old and a new
// state. Whatever is asked for next, the host ends in it; and when that can't
// even begin, it ends in the old state.
func TestCrashAtEveryStep(t *testing.T) {
	oldHost, newHost, noHost := hostOf(t, oldState), hostOf(t, oldState, newState), hostOf(t, oldState, nil)
	refuse := errors.New("refused")
	next := []struct {
		name string
		from []string
		do   func(r *rig) error
		host []string
	}{
		{"the same again", oldState, func(r *rig) error { return r.engine().Apply(context.Background(), vips(newState...)) }, newHost},
		{"back", oldState, func(r *rig) error { return r.engine().Apply(context.Background(), vips(oldState...)) }, oldHost},
		{"nothing", oldState, func(r *rig) error { return r.engine().Apply(context.Background(), nil) }, noHost},
		{"the first one of all", nil, func(r *rig) error { return r.engine().Apply(context.Background(), vips(newState...)) }, hostOf(t, newState)},
		{"one that is refused", oldState, func(r *rig) error {
			link := []plugins.VIP{{Name: "x", Addr: vips(web)[0].Addr, Link: "eth0"}}
			if err := r.engine().Apply(context.Background(), link); !errors.Is(err, plugins.ErrUnsupported) {
				return errors.Join(refuse, err)
			}
			return nil
		}, oldHost},
	}
	for _, n := range next {
		t.Run(n.name, func(t *testing.T) {
			at := 1
			for reached := true; reached; at++ {
				inside(t, foreign, func() {
					r := newRig(t)
					r.apply(n.from...)
					reached = r.crashAt(at, newState...)
					if !reached && n.name == "one that is refused" {
						return // it ended: there is no way back
					}
					if err := n.do(r); err != nil {
						t.Fatalf("step %d: %v", at, err)
					}
					if d := cmp.Diff(n.host, r.whole()); d != "" {
						t.Errorf("step %d: host (-want +got):\n%s", at, d)
					}
					r.apply()
					if d := cmp.Diff(noHost, r.whole()); d != "" {
						t.Errorf("step %d: host in the end (-want +got):\n%s", at, d)
					}
					r.clean()
				})
			}
			if at < 17 {
				t.Errorf("%d steps only", at-2)
			}
		})
	}
}

// TestFailureAtEveryStep lets each step fail once, as on a full disk: Apply
// says so, and host, files and ledger are as before.
func TestFailureAtEveryStep(t *testing.T) {
	broken := errors.New("no space left on device")
	for at, failed := 1, true; failed; at++ {
		inside(t, foreign, func() {
			r := newRig(t)
			r.apply(oldState...)
			before := append(r.whole(), r.ledger())
			e := r.engine()
			steps := 0
			failed = false
			e.crash(func(string) error {
				if steps++; steps == at {
					failed = true
					return broken
				}
				return nil
			})
			err := e.Apply(context.Background(), vips(newState...))
			if failed != errors.Is(err, broken) {
				t.Errorf("step %d: error %v", at, err)
			}
			if !failed {
				return
			}
			if d := cmp.Diff(before, append(r.whole(), r.ledger())); d != "" {
				t.Errorf("step %d: host (-want +got):\n%s", at, d)
			}
		})
	}
}

func (r *rig) ledger() string {
	r.t.Helper()
	names, err := os.ReadDir(r.state)
	if err != nil || len(names) != 1 {
		r.t.Errorf("state folder: %v, %v", names, err)
		return ""
	}
	b, err := os.ReadFile(filepath.Join(r.state, names[0].Name()))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// TestEditAfterACrashIsKept: what somebody changed while an Apply lay dead is
// not overwritten on the way back.
func TestEditAfterACrashIsKept(t *testing.T) {
	inside(t, "", func() {
		r := newRig(t)
		r.apply(oldState...)
		for at := 1; r.crashAt(at, newState...); at++ {
			if r.read(file) != "" && len(r.journal()) > 0 {
				edited := r.read(file) + "# mine\n"
				r.write(file, edited)
				if err := r.engine().Apply(context.Background(), vips(newState...)); !errors.Is(err, plugins.ErrForeign) {
					t.Fatalf("error %v", err)
				}
				if got := r.read(file); got != edited {
					t.Errorf("file:\n%s", got)
				}
				return
			}
		}
		t.Error("no crash left a journal")
	})
}

func (r *rig) journal() []byte {
	b, _ := os.ReadFile(filepath.Join(r.state, journalPath))
	return b
}

func TestDamagedJournal(t *testing.T) {
	inside(t, "", func() {
		for _, text := range []string{"", "{", `{"version":9}`, `{"version":1,"x":1}`} {
			r := newRig(t)
			if err := os.WriteFile(filepath.Join(r.state, journalPath), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := r.engine().Apply(context.Background(), vips(web)); err == nil || addresses(t) != nil {
				t.Errorf("%q: error %v, host %q", text, err, addresses(t))
			}
		}
	})
}

package iproute

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/stentor-net/stentor/netbackends/internal/live"
)

// crashed is what a process leaves off with in these tests: a panic runs no
// more code of Apply, as kill -9 would not.
type crashed struct{}

// applyAndCrash crashes before the given step, counted from 1, and tells
// whether there was one.
func applyAndCrash(t fataler, dir string, at int, want ...string) (reached bool) {
	t.Helper()
	b := newBackend(t, dir)
	steps := 0
	b.host.Step = func(string) error {
		if steps++; steps == at {
			panic(crashed{})
		}
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			if _, ours := r.(crashed); !ours {
				panic(r)
			}
			reached = true
		}
	}()
	apply(t, b, want...)
	return false
}

var (
	foreignOnes = []string{"203.0.113.11/32 lo", "203.0.113.50/24 eth0", "2001:db8::11/64 lo"}
	oldState    = []string{"a 203.0.113.10 lo", "b 203.0.113.11 lo", "c 2001:db8::10 lo", "d 203.0.113.12 lo"}
	newState    = []string{"a 203.0.113.10 eth0", "b 2001:db8::11 lo", "c 203.0.113.13 lo", "d 203.0.113.12 lo"}
	oldHost     = with(foreignOnes, "203.0.113.10/32 lo", "2001:db8::10/128 lo", "203.0.113.12/32 lo")
	newHost     = with(foreignOnes, "203.0.113.10/32 eth0", "203.0.113.13/32 lo", "203.0.113.12/32 lo")
)

func with(base []string, more ...string) []string {
	all := append(slices.Clone(base), more...)
	slices.Sort(all)
	return all
}

// TestStaleRecord: what the ledger calls ours, and never came or is gone, is
// forgotten before somebody else puts it there.
func TestStaleRecord(t *testing.T) {
	inside(t, "", func() {
		dir := t.TempDir()
		for at := 1; len(plan(t, newBackend(t, dir))) == 0; at++ { // until the ledger was saved
			if !applyAndCrash(t, dir, at, "a 203.0.113.10 lo") {
				t.Fatal("no crash left an entry in the ledger without its address")
			}
		}
		if got := standing(t); len(got) > 0 {
			t.Fatalf("too late a crash: %q", got)
		}
		apply(t, newBackend(t, dir))
		if steps := plan(t, newBackend(t, dir)); len(steps) > 0 {
			t.Errorf("still to do: %q", steps)
		}
		foreign(t, netlink.AddrAdd, "203.0.113.10/32 lo")
		apply(t, newBackend(t, dir))
		if d := cmp.Diff([]string{"203.0.113.10/32 lo"}, standing(t)); d != "" {
			t.Errorf("somebody else's address (-want +got):\n%s", d)
		}
	})
}

// TestCrashAtEveryStep goes from an old state to a new one, and crashes once
// before each step. The next call then has to reach what it wants.
func TestCrashAtEveryStep(t *testing.T) {
	next := []struct {
		name string
		want []string
		host []string
	}{
		{"the same again", newState, newHost},
		{"back", oldState, oldHost},
		{"nothing", nil, with(foreignOnes)},
	}
	for _, n := range next {
		t.Run(n.name, func(t *testing.T) {
			for at := 1; ; at++ {
				reached := false
				inside(t, "", func() {
					for _, f := range foreignOnes {
						foreign(t, netlink.AddrAdd, f)
					}
					dir := t.TempDir()
					apply(t, newBackend(t, dir), oldState...)
					reached = applyAndCrash(t, dir, at, newState...)
					if missing := without(foreignOnes, standing(t)); len(missing) > 0 {
						t.Errorf("step %d: the crash lost %q", at, missing)
					}
					apply(t, newBackend(t, dir), n.want...)
					if d := cmp.Diff(n.host, standing(t)); d != "" {
						t.Errorf("step %d: host (-want +got):\n%s", at, d)
					}
					apply(t, newBackend(t, dir))
					if d := cmp.Diff(with(foreignOnes), standing(t)); d != "" {
						t.Errorf("step %d: host after the end (-want +got):\n%s", at, d)
					}
					if rest, err := os.ReadDir(dir); err != nil || len(rest) > 0 {
						t.Errorf("step %d: left in the state folder: %v, %v", at, rest, err)
					}
				})
				if !reached {
					// Two adds, two deletes, and two saves of two steps each.
					if at != 9 {
						t.Errorf("%d steps, want 8", at-1)
					}
					return
				}
			}
		})
	}
}

// TestFailureAtEveryStep lets each step fail once: Apply says so, and host and
// ledger are as before.
func TestFailureAtEveryStep(t *testing.T) {
	broken := errors.New("no space left on device")
	for at := 1; ; at++ {
		failed := false
		inside(t, "", func() {
			for _, f := range foreignOnes {
				foreign(t, netlink.AddrAdd, f)
			}
			dir := t.TempDir()
			apply(t, newBackend(t, dir), oldState...)
			ledger, err := os.ReadFile(filepath.Join(dir, live.LedgerName))
			if err != nil {
				t.Fatal(err)
			}
			b := newBackend(t, dir)
			steps := 0
			b.host.Step = func(string) error {
				if steps++; steps == at {
					failed = true
					return broken
				}
				return nil
			}
			err = b.Apply(context.Background(), vips(newState...))
			if failed != errors.Is(err, broken) {
				t.Errorf("step %d: error %v", at, err)
			}
			if !failed {
				return
			}
			if d := cmp.Diff(oldHost, standing(t)); d != "" {
				t.Errorf("step %d: host (-want +got):\n%s", at, d)
			}
			after, err := os.ReadFile(filepath.Join(dir, live.LedgerName))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(ledger), string(after)); d != "" {
				t.Errorf("step %d: ledger (-want +got):\n%s", at, d)
			}
		})
		if !failed {
			return
		}
	}
}

// TestUndoFailsToo takes the permission away in the middle of an Apply: what
// can't be taken back stays ours, and the next call mends it.
func TestUndoFailsToo(t *testing.T) {
	inside(t, "", func() {
		dir := t.TempDir()
		apply(t, newBackend(t, dir), web)
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var all [2]unix.CapUserData
		if err := unix.Capget(&head, &all[0]); err != nil {
			t.Fatal(err)
		}
		b := newBackend(t, dir)
		b.host.Step = func(name string) error {
			if strings.HasPrefix(name, "delete") {
				less := all
				less[0].Effective &^= 1 << unix.CAP_NET_ADMIN
				return unix.Capset(&head, &less[0])
			}
			return nil
		}
		err := b.Apply(context.Background(), vips("web 203.0.113.10 eth0"))
		if err := unix.Capset(&head, &all[0]); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "could not all be taken back") {
			t.Errorf("error %v", err)
		}
		if d := cmp.Diff([]string{"203.0.113.10/32 eth0", "203.0.113.10/32 lo"}, standing(t)); d != "" {
			t.Errorf("host (-want +got):\n%s", d)
		}
		apply(t, newBackend(t, dir), web)
		if d := cmp.Diff([]string{"203.0.113.10/32 lo"}, standing(t)); d != "" {
			t.Errorf("host in the end (-want +got):\n%s", d)
		}
	})
}

func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// TestAnySequenceConverges runs random calls, crashes, and doings of somebody
// else. After each whole Apply the host holds what is wanted, everything
// foreign, and nothing more.
func TestAnySequenceConverges(t *testing.T) {
	addrs := []string{"203.0.113.10", "203.0.113.11", "203.0.113.12", "2001:db8::10", "2001:db8::11", "2001:db8::12"}
	on := []string{"lo", "eth0"}
	wanted := rapid.Custom(func(t *rapid.T) []string {
		var want []string
		for _, a := range addrs {
			if rapid.Bool().Draw(t, "want "+a) {
				want = append(want, "vip"+a+" "+a+" "+rapid.SampledFrom(on).Draw(t, "link"))
			}
		}
		return want
	})
	inside(t, "", func() {
		rapid.Check(t, func(rt *rapid.T) {
			dir, err := os.MkdirTemp(t.TempDir(), "")
			if err != nil {
				rt.Fatal(err)
			}
			for _, s := range standing(rt) { // of the sequence before
				foreign(rt, netlink.AddrDel, s)
			}
			theirs := map[string]bool{}
			rt.Repeat(map[string]func(*rapid.T){
				"": func(rt *rapid.T) {
					host := standing(rt)
					for s := range theirs {
						if !slices.Contains(host, s) {
							rt.Fatalf("foreign %s is gone", s)
						}
					}
				},
				"apply": func(rt *rapid.T) {
					want := wanted.Draw(rt, "want")
					planned := plan(rt, newBackend(rt, dir), want...)
					before := standing(rt)
					apply(rt, newBackend(rt, dir), want...)
					after := standing(rt)
					if len(planned) == 0 && !slices.Equal(before, after) {
						rt.Fatalf("an empty plan, but %q became %q", before, after)
					}
					checkHost(rt, want, theirs, after)
					if again := plan(rt, newBackend(rt, dir), want...); again != nil {
						rt.Fatalf("plan after Apply: %q", again)
					}
				},
				"crash": func(rt *rapid.T) {
					applyAndCrash(rt, dir, rapid.IntRange(1, 12).Draw(rt, "step"), wanted.Draw(rt, "want")...)
				},
				"somebody adds": func(rt *rapid.T) {
					a, link := rapid.SampledFrom(addrs).Draw(rt, "address"), rapid.SampledFrom(on).Draw(rt, "link")
					if taken(rt, dir, a, link) {
						rt.Skip("the ledger has it: the kernel could not tell theirs from ours")
					}
					foreign(rt, netlink.AddrAdd, hostAddr(a)+" "+link)
					theirs[hostAddr(a)+" "+link] = true
				},
				"somebody deletes": func(rt *rapid.T) {
					all := standing(rt)
					if len(all) == 0 {
						rt.Skip("there is none")
					}
					s := rapid.SampledFrom(all).Draw(rt, "address")
					foreign(rt, netlink.AddrDel, s)
					delete(theirs, s)
				},
			})
		})
	})
}

// checkHost compares the host with want and what is theirs: an address that
// somebody else put on either link serves, and is not doubled.
func checkHost(t fataler, want []string, theirs map[string]bool, host []string) {
	t.Helper()
	allowed := map[string]bool{}
	for s := range theirs {
		allowed[s] = true
	}
	for _, w := range want {
		v := vip(w)
		a := hostAddr(v.Addr.String())
		at := a + " " + v.Link
		allowed[at] = true
		if !slices.Contains(host, at) && !theirs[a+" lo"] && !theirs[a+" eth0"] {
			t.Fatalf("%s is wanted, the host has %q", at, host)
		}
	}
	for _, s := range host {
		if !allowed[s] {
			t.Fatalf("%s is neither wanted nor foreign", s)
		}
	}
}

// taken tells whether the ledger has an entry for a on link.
func taken(t fataler, dir, a, link string) bool {
	t.Helper()
	states, err := newBackend(t, dir).Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if s.Addr.String() == a && s.Link == link && !s.Adopted {
			return true
		}
	}
	for _, s := range standing(t) {
		if s == hostAddr(a)+" "+link {
			return true
		}
	}
	return false
}

func hostAddr(a string) string { return vip("x " + a + " lo").Prefix().String() }

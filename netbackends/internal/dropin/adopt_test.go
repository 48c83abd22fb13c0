package dropin

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/plugins"
)

// theirFile is somebody else's, which brings an address to lo.
func theirFile(prefix string) []netfiles.Address {
	return []netfiles.Address{{Path: "/etc/fake/theirs", Line: 3, Link: "lo", Prefix: netip.MustParsePrefix(prefix)}}
}

// TestTheirFile follows an address whose stanza of somebody else's comes and goes.
func TestTheirFile(t *testing.T) {
	on := func(t *testing.T, want ...string) {
		t.Helper()
		if d := cmp.Diff(want, addresses(t)); d != "" {
			t.Errorf("addresses (-want +got):\n%s", d)
		}
	}
	const prefix = "203.0.113.10/32"
	tests := []struct {
		name, setup string
		do          func(t *testing.T, r *rig)
	}{
		{"up already", "address add " + prefix + " dev lo", func(t *testing.T, r *rig) {
			if d := cmp.Diff([]string{"adopt address 203.0.113.10/32 on lo"}, r.plan(web)); d != "" {
				t.Errorf("plan (-want +got):\n%s", d)
			}
			r.apply(web)
			if f := r.read(file); f != "" {
				t.Errorf("it is written a second time:\n%s", f)
			}
		}},
		{"not up", "", func(t *testing.T, r *rig) {
			if d := cmp.Diff([]string{"add address 203.0.113.10/32 on lo"}, r.plan(web)); d != "" {
				t.Errorf("plan (-want +got):\n%s", d)
			}
			r.apply(web)
			on(t, prefix)
			if f := r.read(file); f != "" {
				t.Errorf("it is written a second time:\n%s", f)
			}
		}},
		{"handed over", "address add " + prefix + " dev lo", func(t *testing.T, r *rig) {
			r.apply(web)
			r.stack.theirs = nil
			states, err := r.engine().Observe(t.Context())
			if err != nil || len(states) != 1 || !states[0].Adopted || !strings.Contains(states[0].Drift, "/etc/fake/theirs, which brought it to lo, names it no more") {
				t.Errorf("Observe: %+v, %v", states, err)
			}
			if d := cmp.Diff([]string{"add " + file}, r.plan(web)); d != "" {
				t.Errorf("plan (-want +got):\n%s", d)
			}
			r.apply(web)
			r.apply()
			on(t)
			r.apply(web)
			r.stack.theirs = theirFile(prefix)
			r.apply(web)
			if f := r.read(file); f != "" {
				t.Errorf("handed back, and still ours:\n%s", f)
			}
		}},
		{"with another length", "", func(t *testing.T, r *rig) {
			r.stack.theirs = theirFile("203.0.113.10/24")
			r.apply(web)
			on(t, prefix)
			if !strings.Contains(r.read(file), "203.0.113.10") {
				t.Error("their /24 was taken for a /32")
			}
			r.apply()
			on(t)
			r.stack.theirs = theirFile(prefix)
			r.apply(web)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inside(t, tt.setup, func() {
				r := newRig(t)
				r.stack.theirs = theirFile(prefix)
				tt.do(t, r)
				if p := r.plan(web); p != nil {
					t.Errorf("plan after Apply: %q", p)
				}
				r.apply()
				on(t, prefix)
				r.clean()
			})
		})
	}
}

// TestTheirFileInAnImage: what the image's own files bring is not doubled.
func TestTheirFileInAnImage(t *testing.T) {
	r := newRig(t)
	r.stack.theirs = theirFile("203.0.113.10/32")
	e, err := New(slog.New(slog.DiscardHandler), &r.stack, plugins.Config{StateDir: r.state, Root: r.root})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Apply(t.Context(), vips(web, dns)); err != nil {
		t.Fatal(err)
	}
	if f := r.read(file); strings.Contains(f, "203.0.113.10") || !strings.Contains(f, "2001:db8::10") {
		t.Errorf("file:\n%s", f)
	}
}

// TestCrashWhileOwnersChange crashes before each step of an Apply in which an
// address becomes ours, or theirs again. The next one ends it, and the address
// is on the host all the time.
func TestCrashWhileOwnersChange(t *testing.T) {
	const prefix = "203.0.113.10/32"
	for _, c := range []struct {
		name         string
		before, then []netfiles.Address
		left         []string // on the host when no VIP is wanted any more
	}{
		{"handed over", theirFile(prefix), nil, nil},
		{"handed back", nil, theirFile(prefix), []string{prefix}},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := 1
			for reached := true; reached; at++ {
				inside(t, "address add 2001:db8::10/128 dev lo", func() {
					r := newRig(t)
					r.stack.theirs = c.before
					r.apply(web)
					r.stack.theirs = c.then
					reached = r.crashAt(at, web)
					if d := cmp.Diff([]string{"2001:db8::10/128", prefix}, addresses(t)); d != "" {
						t.Errorf("step %d: addresses (-want +got):\n%s", at, d)
					}
					r.apply(web)
					if ours := strings.Contains(r.read(file), "203.0.113.10"); ours != (c.then == nil) {
						t.Errorf("step %d: in a file of ours: %t", at, ours)
					}
					r.apply()
					if d := cmp.Diff(append([]string{"2001:db8::10/128"}, c.left...), addresses(t)); d != "" {
						t.Errorf("step %d: addresses in the end (-want +got):\n%s", at, d)
					}
					r.clean()
				})
			}
			if at < 8 {
				t.Errorf("%d steps only", at-2)
			}
		})
	}
}

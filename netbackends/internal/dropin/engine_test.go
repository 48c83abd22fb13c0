package dropin

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/netbackends/internal/nstest"
	"github.com/stentor-net/stentor/plugins"
)

const (
	web = "web 203.0.113.10"
	dns = "dns 2001:db8::10"
)

func TestApplyTwiceChangesAndRemoves(t *testing.T) {
	inside(t, "", func() {
		r := newRig(t)
		want := []string{"add " + file, "add address 2001:db8::10/128 on lo", "add address 203.0.113.10/32 on lo"}
		if d := cmp.Diff(want, r.plan(dns, web)); d != "" {
			t.Errorf("plan (-want +got):\n%s", d)
		}
		r.apply(dns, web)
		if d := cmp.Diff([]string{"2001:db8::10/128", "203.0.113.10/32"}, addresses(t)); d != "" {
			t.Errorf("addresses (-want +got):\n%s", d)
		}
		st, err := os.Stat(filepath.Join(r.root, file))
		if err != nil || st.Mode() != 0o640 {
			t.Fatalf("%v, %v", st.Mode(), err)
		}
		if p := r.plan(dns, web); p != nil {
			t.Errorf("plan after Apply: %q", p)
		}
		r.apply(dns, web)
		if again, err := os.Stat(filepath.Join(r.root, file)); err != nil || !os.SameFile(st, again) || !again.ModTime().Equal(st.ModTime()) || r.stack.settled != 1 {
			t.Errorf("the second Apply wrote the file, or settled: %d", r.stack.settled)
		}
		r.apply(dns)
		if d := cmp.Diff([]string{"2001:db8::10/128"}, addresses(t)); d != "" {
			t.Errorf("addresses (-want +got):\n%s", d)
		}
		r.apply()
		if left := addresses(t); left != nil {
			t.Errorf("left: %q", left)
		}
		r.clean()
	})
}

// TestAfterReboot: the ledger is of another life; the file says what is ours.
func TestAfterReboot(t *testing.T) {
	r := newRig(t)
	inside(t, "", func() { r.apply(web, dns) })
	inside(t, "address add 203.0.113.10/32 dev lo\naddress add 2001:db8::10/128 dev lo\naddress add 203.0.113.99/32 dev lo", func() {
		if p := r.plan(web, dns); p != nil {
			t.Errorf("plan: %q", p)
		}
		states, err := r.engine().Observe(context.Background())
		if err != nil || len(states) != 2 || states[0].Adopted || states[1].Adopted || states[0].Drift != "" {
			t.Errorf("Observe: %+v, %v", states, err)
		}
		r.apply()
		if d := cmp.Diff([]string{"203.0.113.99/32"}, addresses(t)); d != "" {
			t.Errorf("addresses (-want +got):\n%s", d)
		}
		r.clean()
	})
}

func TestAdoptedStaysOutOfTheFile(t *testing.T) {
	inside(t, "address add 203.0.113.10/32 dev lo", func() {
		r := newRig(t)
		r.apply(web, dns)
		if f := r.read(file); strings.Contains(f, "203.0.113.10") || !strings.Contains(f, "2001:db8::10") {
			t.Errorf("file:\n%s", f)
		}
		r.apply(web) // dns goes, and with it the file
		r.apply()
		if d := cmp.Diff([]string{"203.0.113.10/32"}, addresses(t)); d != "" {
			t.Errorf("addresses (-want +got):\n%s", d)
		}
		r.clean()
	})
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name string
		do   func(r *rig)
		want []plugins.VIP
		say  string
		is   error
	}{
		{name: "a foreign file at our path", do: func(r *rig) { r.write(file, "theirs\n") }, say: "has no header of ours", is: plugins.ErrForeign},
		{name: "a symlink at our path", do: func(r *rig) {
			r.write("/etc/other", "x")
			if err := errors.Join(os.Mkdir(filepath.Join(r.root, "etc/fake"), 0o755), os.Symlink("../other", filepath.Join(r.root, file))); err != nil {
				r.t.Fatal(err)
			}
		}, say: "is a symlink", is: plugins.ErrForeign},
		{name: "a symlink on the way", do: func(r *rig) {
			r.write("/etc/other/x", "x")
			if err := os.Symlink("other", filepath.Join(r.root, "etc/fake")); err != nil {
				r.t.Fatal(err)
			}
		}, say: "is a symlink, not a folder", is: plugins.ErrForeign},
		{name: "a folder for all to write", do: func(r *rig) {
			if err := os.Chmod(filepath.Join(r.root, "etc"), 0o777); err != nil {
				r.t.Fatal(err)
			}
		}, say: "/etc: not ours", is: plugins.ErrForeign},
		{name: "the stack's parser", do: func(r *rig) { r.stack.check = func() error { return errors.New("/etc/fake/theirs:3:7: tab") } }, say: "/etc/fake/theirs:3:7: tab"},
		{name: "the stack does not settle", do: func(r *rig) { r.stack.settle = onlyOnce(errors.New("no reload")) }, say: "no reload"},
		{name: "another link", want: []plugins.VIP{{Name: "x", Addr: netip.MustParseAddr("203.0.113.1"), Link: "eth0"}}, say: "on lo only, not on eth0", is: plugins.ErrUnsupported},
		{name: "a name of two lines", want: []plugins.VIP{{Name: "x\nup rm", Addr: netip.MustParseAddr("203.0.113.1"), Link: "lo"}}, say: "does not fit into one line", is: plugins.ErrUnsupported},
		{name: "no address to share", want: vips("x 127.0.0.2"), say: "no address that hosts can share"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inside(t, "", func() {
				r := newRig(t)
				if tt.do != nil {
					tt.do(r)
				}
				before := r.whole()
				want := tt.want
				if want == nil {
					want = vips(web)
				}
				err := r.engine().Apply(context.Background(), want)
				if err == nil || !strings.Contains(err.Error(), tt.say) || tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("error %v, want it to say %q", err, tt.say)
				}
				if d := cmp.Diff(before, r.whole()); d != "" {
					t.Errorf("host after a refusal (-want +got):\n%s", d)
				}
				if rest, err := os.ReadDir(r.state); err != nil || len(rest) > 0 {
					t.Errorf("left in the state folder: %v, %v", rest, err)
				}
			})
		})
	}
}

func onlyOnce(err error) func() error {
	return func() error {
		e := err
		err = nil
		return e
	}
}

func TestEditedByHand(t *testing.T) {
	inside(t, "", func() {
		r := newRig(t)
		r.apply(web)
		edited := r.read(file) + "# a note\n"
		r.write(file, edited)
		states, err := r.engine().Observe(context.Background())
		if err != nil || len(states) != 1 || !strings.Contains(states[0].Drift, file+" was edited by hand") {
			t.Errorf("Observe: %+v, %v", states, err)
		}
		err = r.engine().Apply(context.Background(), vips(web))
		if !errors.Is(err, plugins.ErrForeign) || !strings.Contains(err.Error(), "-# a note") || !strings.Contains(err.Error(), "--force") {
			t.Errorf("error %v", err)
		}
		if got := r.read(file); got != edited {
			t.Errorf("file after a refusal:\n%s", got)
		}
		r.force = true
		r.apply(web)
		if got := r.read(file); strings.Contains(got, "a note") {
			t.Errorf("file after force:\n%s", got)
		}
		saved, err := filepath.Glob(filepath.Join(r.state, "stentor.edited-*"))
		if err != nil || len(saved) != 1 {
			t.Fatalf("saved: %q, %v", saved, err)
		}
		if b, err := os.ReadFile(saved[0]); err != nil || string(b) != edited {
			t.Errorf("saved copy: %s, %v", b, err)
		}
	})
}

// TestEditedFileDoesNotKeepAnAddressAway: the file stays, the address comes back.
func TestEditedFileDoesNotKeepAnAddressAway(t *testing.T) {
	ns := nstest.New(t)
	r := newRig(t)
	ns.Do(func() { r.apply(web) })
	r.write(file, r.read(file)+"# a note\n")
	ns.IP("address del 203.0.113.10/32 dev lo")
	ns.Do(func() {
		err := r.engine().Apply(context.Background(), vips(web, dns))
		if !errors.Is(err, plugins.ErrForeign) {
			t.Errorf("error %v", err)
		}
		if d := cmp.Diff([]string{"203.0.113.10/32"}, addresses(t)); d != "" {
			t.Errorf("addresses (-want +got):\n%s", d)
		}
	})
}

func TestBelowAnotherRoot(t *testing.T) {
	inside(t, "", func() {
		r := newRig(t)
		image := func() *Engine {
			e, err := New(slog.New(slog.DiscardHandler), &r.stack, plugins.Config{StateDir: r.state, Root: r.root})
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		if err := image().Apply(context.Background(), vips(web)); err != nil {
			t.Fatal(err)
		}
		if a := addresses(t); a != nil || r.stack.settled != 0 {
			t.Errorf("live change: %q, settled %d times", a, r.stack.settled)
		}
		states, err := image().Observe(context.Background())
		if err != nil || len(states) != 1 || states[0].Name != "web" || states[0].OnHost {
			t.Errorf("Observe: %+v, %v", states, err)
		}
		if p, err := image().Plan(context.Background(), vips(web)); err != nil || len(p.Steps) > 0 {
			t.Errorf("plan: %+v, %v", p, err)
		}
		if err := image().Apply(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		r.clean()
	})
}

// TestLossOfTheLoopbackIsNoticed lets the stack take 127.0.0.1 away.
func TestLossOfTheLoopbackIsNoticed(t *testing.T) {
	ns := nstest.New(t)
	r := newRig(t)
	r.stack.settle = func() error {
		ns.IP("address del 127.0.0.1/8 dev lo")
		r.stack.settle = nil
		return nil
	}
	ns.Do(func() {
		err := r.engine().Apply(context.Background(), vips(web))
		if err == nil || !strings.Contains(err.Error(), "127.0.0.1/8 on lo is gone") {
			t.Errorf("error %v", err)
		}
		if a := addresses(t); a != nil {
			t.Errorf("not taken back: %q", a)
		}
	})
	r.clean()
}

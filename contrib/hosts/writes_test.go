package hosts_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// cutoffBinary builds the program that cuts others off, once.
var cutoffBinary = sync.OnceValue(func() error {
	cmd := exec.Command("go", "build", "-o", binDir, "./cutoff")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build cutoff: %w\n%s", err, out)
	}
	return nil
})

// faults are the ways in which an apply can come to its end at a write. That
// of a kill is also that of a power cut, as far as a container can have one.
var faults = []fault{
	{name: "kill -9"},
	{"disk full", "-errno ENOSPC", "no space left on device"},
	{"read-only", "-errno EROFS", "read-only file system"},
}

type fault struct{ name, flag, say string }

// TestWrites ends an apply at every single change that it makes, one after the
// other. Whoever applies the same configuration again has it exactly, and
// whoever goes back to the one before has that: on the host, in /etc, and in
// our own state, without litter.
func TestWrites(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("cutoff knows the registers of amd64 alone")
	}
	some := selected(t)
	switch {
	case thorough(): // a backend writes the same on each release
		some = slices.DeleteFunc(some, func(s stack) bool { return !s.core || s.profile == hosts.NetplanNM })
	case !named():
		some = slices.DeleteFunc(once(some), func(s stack) bool { return s.profile != hosts.Netplan && s.profile != hosts.NM })
	}
	on(t, some, func(t *testing.T, r *rig) {
		if err := cutoffBinary(); err != nil {
			t.Fatal(err)
		}
		install(t, r.host, "cutoff")
		w := &writes{states: map[string]hostState{}, thorough: named()}
		for _, tr := range []struct {
			name     string
			from, to []string
		}{{"change", []string{web, dns}, []string{api, dns}}, {"first", nil, []string{web, dns}}, {"last", []string{api, dns}, nil}} {
			for _, f := range faults {
				r.step(t, tr.name+", "+f.name, func(r *rig) { w.every(r, f, tr.from, tr.to) })
			}
			if !thorough() && !named() {
				return
			}
		}
	})
}

// writes knows how a host looks when an apply has come through.
type writes struct {
	states map[string]hostState
	// thorough goes on and back from every fault, and not by turns.
	thorough bool
}

// hostState is all that an apply may change.
type hostState struct {
	Shared []string
	Files  map[string]hosts.File
}

func (r *rig) state() hostState {
	r.t.Helper()
	s := hostState{Shared: r.shared(), Files: map[string]hosts.File{}}
	files := r.files()
	ours, err := r.host.Files("/var/lib/stentor", "/run/stentor")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, all := range []map[string]hosts.FileState{files, ours} {
		for name, f := range all {
			base := path.Base(name)
			switch {
			// The rest of a write that was cut off. There is one name for each
			// file, so the next write takes it over.
			case strings.HasPrefix(base, ".") && strings.HasSuffix(base, ".tmp"):
				continue
			}
			s.Files[name] = f.File
		}
	}
	return s
}

// every leads the host from one configuration to another as often as that takes
// changes, with the fault at another one each time.
func (w *writes) every(r *rig, f fault, from, to []string) {
	r.t.Helper()
	w.reaches(r, "no fault", to)
	w.reaches(r, "no fault", from)
	for n := 1; ; n++ {
		ends := [][]string{to, from}
		if !w.thorough {
			ends = ends[n%2:][:1]
		}
		for _, end := range ends {
			res := r.cutoff(f.flag, n, to)
			_, where, cut := strings.Cut(strings.TrimSpace(res.Stderr), "cutoff: ")
			if !cut {
				if res.Code != 0 || n < 5 {
					r.t.Fatalf("after %d changes: %s", n-1, res)
				}
				r.t.Logf("%d changes", n-1)
				w.reaches(r, "no fault", to)
				return
			}
			if f.flag != "" {
				w.failed(r, f, where, res, from, to)
			}
			w.reaches(r, where, end)
			if !slices.Equal(end, from) {
				w.reaches(r, where, from)
			}
		}
	}
}

// cutoff has an apply of that configuration end at its n'th change.
func (r *rig) cutoff(flag string, n int, addrs []string) hosts.Result {
	r.t.Helper()
	r.config(addrs...)
	res, err := r.host.Exec(context.Background(), fmt.Sprintf("cutoff %s %d stentor apply", flag, n))
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// failed expects that an apply which could not write says why, and that the host
// has all of the old addresses or of the new ones, and never some of each. One
// that fails has the old ones, or says that it could not go back to them.
func (w *writes) failed(r *rig, f fault, where string, res hosts.Result, from, to []string) {
	r.t.Helper()
	now := r.shared()
	done := slices.Equal(now, w.states[key(to)].Shared) && (res.Code == 0 || strings.Contains(res.Stderr, "could not all be taken back"))
	undone := slices.Equal(now, w.states[key(from)].Shared) && res.Code != 0
	if !done && !undone || res.Code != 0 && !strings.Contains(res.Stderr, f.say) {
		r.t.Errorf("%s: the host holds %q: %s", where, now, res)
	}
}

func key(addrs []string) string { return strings.Join(addrs, " ") }

// reaches applies a configuration, and expects of the host what it had the
// first time.
func (w *writes) reaches(r *rig, where string, addrs []string) {
	r.t.Helper()
	r.config(addrs...)
	res, err := r.host.Exec(context.Background(), "stentor apply")
	if err != nil {
		r.t.Fatal(err)
	}
	if res.Code != 0 {
		r.t.Fatalf("%s, and an apply of %q: %s", where, addrs, res)
	}
	got := r.state()
	want, known := w.states[key(addrs)]
	if !known {
		r.holds(addrs...)
		w.states[key(addrs)] = got
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		r.t.Errorf("%s, and an apply of %q (-want +got):\n%s", where, addrs, d)
	}
}

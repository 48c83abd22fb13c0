package dropin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/netbackends/internal/nstest"
	"github.com/stentor-net/stentor/plugins"
)

const file = "/etc/fake/stentor"

// fakeStack is a network stack that reads one folder, and refuses what its
// check says. It is a fake: the real ones are tried in booted hosts.
type fakeStack struct {
	check, settle func() error
	settled       int
	theirs        []netfiles.Address
}

func (f *fakeStack) Places() ([]hostfile.Want, error) {
	return []hostfile.Want{{Path: file, OwnFolder: true}}, nil
}

func (f *fakeStack) Files(_ context.Context, vips []plugins.VIP) ([]hostfile.Want, error) {
	if len(vips) == 0 {
		return nil, nil
	}
	body := "# fake\n"
	for _, v := range vips {
		body += Comment(v) + "\n"
	}
	return []hostfile.Want{{Path: file, Mode: 0o640, Body: []byte(body), OwnFolder: true}}, nil
}

func (f *fakeStack) Check(context.Context, []*hostfile.Change) error {
	if f.check != nil {
		return f.check()
	}
	return nil
}

func (f *fakeStack) Theirs() []netfiles.Address { return f.theirs }

func (f *fakeStack) Settle(context.Context) error {
	f.settled++
	if f.settle != nil {
		return f.settle()
	}
	return nil
}

// rig is a host: a network namespace, files and a state folder.
type rig struct {
	t           *testing.T
	root, state string
	stack       fakeStack
	force       bool
	log         strings.Builder
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, root: t.TempDir(), state: t.TempDir()}
	// As packages make it: nobody but root may write.
	if err := errors.Join(os.Chmod(r.root, 0o755), os.Mkdir(filepath.Join(r.root, "etc"), 0o755)); err != nil {
		t.Fatal(err)
	}
	return r
}

// engine is one as after a start of the daemon.
func (r *rig) engine() *Engine {
	r.t.Helper()
	e, err := New(slog.New(slog.NewTextHandler(&r.log, nil)), &r.stack, plugins.Config{StateDir: r.state, Force: r.force})
	if err != nil {
		r.t.Fatal(err)
	}
	e.root.Dir = r.root
	return e
}

func (r *rig) apply(want ...string) {
	r.t.Helper()
	if err := r.engine().Apply(context.Background(), vips(want...)); err != nil {
		r.t.Fatalf("Apply(%q): %v", want, err)
	}
}

func (r *rig) plan(want ...string) []string {
	r.t.Helper()
	p, err := r.engine().Plan(context.Background(), vips(want...))
	if err != nil {
		r.t.Fatalf("Plan(%q): %v", want, err)
	}
	var steps []string
	for _, s := range p.Steps {
		steps = append(steps, s.Verb+" "+s.Object)
	}
	return steps
}

// write replaces a file at once, as editors do.
func (r *rig) write(name, content string) {
	r.t.Helper()
	at, next := filepath.Join(r.root, name), filepath.Join(r.t.TempDir(), "next")
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(next, []byte(content), 0o644), os.Rename(next, at)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(name string) string {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	} else if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// whole is the host in one value: files below the root, and addresses.
func (r *rig) whole() []string {
	r.t.Helper()
	all := addresses(r.t)
	err := filepath.WalkDir(r.root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		st, err := d.Info()
		b, err2 := os.ReadFile(p)
		all = append(all, fmt.Sprintf("%s %v %s", strings.TrimPrefix(p, r.root), st.Mode(), b))
		return errors.Join(err, err2)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// clean checks that no trace of ours is left.
func (r *rig) clean() {
	r.t.Helper()
	for _, dir := range []string{r.state, filepath.Join(r.root, "etc")} {
		if rest, err := os.ReadDir(dir); err != nil || len(rest) > 0 {
			r.t.Errorf("left in %s: %v, %v", dir, rest, err)
		}
	}
}

// vips are written NAME ADDRESS.
func vips(list ...string) []plugins.VIP {
	var all []plugins.VIP
	for _, s := range list {
		name, addr, _ := strings.Cut(s, " ")
		all = append(all, plugins.VIP{Name: name, Addr: netip.MustParseAddr(addr), Link: "lo"})
	}
	return all
}

// addresses of the namespace, but for the loopback's own.
func addresses(t *testing.T) []string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range addrs {
		if p := netip.MustParsePrefix(a.String()); !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
			all = append(all, p.String())
		}
	}
	slices.Sort(all)
	return all
}

// inside runs f in a fresh namespace in which ip commands were run.
func inside(t *testing.T, setup string, f func()) {
	t.Helper()
	ns := nstest.New(t)
	ns.IP(setup)
	ns.Do(f)
}

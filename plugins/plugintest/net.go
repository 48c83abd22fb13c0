package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// Net is a network backend under test, and the host where it works. The suite
// adds and removes addresses there, of 198.51.100.0/24 (RFC 5737) and
// 2001:db8:7e57::/48 (RFC 3849), by the backend and by ip(8): give it a network
// namespace or a throw-away host.
type Net struct {
	// Open gives a backend on which nothing was called yet, as after a start
	// of its process. The suite closes it.
	Open     func() (plugins.NetBackend, error)
	Settings map[string]any // its own table; most need none
	// Link is where VIPs shall stand; "lo" if empty.
	Link string
	// Dirs are the folders where the backend keeps files beside its state
	// folder, as /etc/netplan: the suite looks for traces there.
	Dirs []string
	// Inside runs f where the backend works, as in a network namespace; nil is
	// here. Open and all calls of the backend run in it.
	Inside func(f func())
	// Program is what Open runs, if that is a plugin's program.
	Program *Program
	// Cases are the names of those to run; nil: all.
	Cases []string
	// Slowness stretches the limits of calls, for a machine that is slower than
	// others, as an emulated one: 3 makes them three times as long; 0 is 1.
	Slowness int
}

func (u Net) stretched(limit time.Duration) time.Duration {
	return limit * time.Duration(max(u.Slowness, 1))
}

// Names are all cases that there are for the backend.
func (u Net) Names() []string {
	u.Cases = nil
	var names []string
	for _, c := range u.cases() {
		names = append(names, c.name)
	}
	return names
}

// netCase is one promise.
type netCase struct {
	name, promise string
	run           func(ctx context.Context, r *netRig) error
}

// netRig is what a case works with: the host, and a state folder of its own.
type netRig struct {
	under    Net
	dir      string // gone after the case
	stateDir string // below it
	b        plugins.NetBackend
	figures  []string
}

// figure notes how long something took.
func (r *netRig) figure(what string, took time.Duration) {
	r.figures = append(r.figures, inWords(what, took))
}

// cases are those that the backend is held to.
func (u Net) cases() []netCase {
	all := netCases
	if u.Program != nil {
		all = slices.Concat(all, netProgramCases())
	}
	return chosen(all, u.Cases, func(c netCase) string { return c.name })
}

// runNetCase runs one case, and brings the host back to what it was.
func runNetCase(ctx context.Context, under Net, c netCase) Result {
	result := Result{Case: c.name, Promise: c.promise}
	if under.Link == "" {
		under.Link = "lo"
	}
	if under.Inside == nil {
		under.Inside = func(f func()) { f() }
	}
	r := &netRig{under: under}
	var err error
	if r.dir, err = os.MkdirTemp("", "plugintest"); err != nil {
		result.Err = err
		return result
	}
	defer os.RemoveAll(r.dir)
	r.stateDir = filepath.Join(r.dir, "state")
	if err = errors.Join(os.Chmod(r.dir, 0o755), os.Mkdir(r.stateDir, 0o700)); err == nil {
		under.Inside(func() { err = r.whole(ctx, c) })
	}
	result.Figures = r.figures
	result.settle(err)
	return result
}

// whole is a case from beginning to end. Whatever the case is about, what
// stood on the host before stands there afterwards, and nothing else.
func (r *netRig) whole(ctx context.Context, c netCase) (err error) {
	before, err := look(r.under.Dirs)
	if err != nil {
		return err
	}
	if err := r.reopen(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	err = c.run(ctx, r)
	if r.b == nil { // it could not be opened again, so nobody can clean up
		return err
	}
	if e := r.apply(ctx); e != nil {
		return errors.Join(err, fmt.Errorf("afterwards: %w", e))
	}
	after, e := look(r.under.Dirs)
	if e != nil {
		return errors.Join(err, e)
	}
	if d := before.differs(after); d != "" {
		err = errors.Join(err, fmt.Errorf("after the Apply of an empty want that ends the case, the host is not as it was: %s", d))
	}
	return err
}

// reopen is a restart of the backend's process.
func (r *netRig) reopen(ctx context.Context) error {
	if err := r.close(); err != nil {
		return err
	}
	b, err := r.under.Open()
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	r.b = b
	ctx, cancel := context.WithTimeout(ctx, r.under.stretched(callTime))
	defer cancel()
	if err := b.Configure(ctx, plugins.Config{Settings: r.under.Settings, StateDir: r.stateDir}); err != nil {
		return fmt.Errorf("its Configure: %w", err)
	}
	return nil
}

func (r *netRig) close() error {
	if r.b == nil {
		return nil
	}
	err := r.b.Close()
	r.b = nil
	if err != nil {
		return fmt.Errorf("its Close: %w", err)
	}
	return nil
}

func (r *netRig) apply(ctx context.Context, want ...plugins.VIP) error {
	ctx, cancel := context.WithTimeout(ctx, r.under.stretched(callTime))
	defer cancel()
	if err := r.b.Apply(ctx, want); err != nil {
		return fmt.Errorf("its Apply(%s): %w", text(want), err)
	}
	return nil
}

func (r *netRig) plan(ctx context.Context, want ...plugins.VIP) (plugins.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, r.under.stretched(callTime))
	defer cancel()
	p, err := r.b.Plan(ctx, want)
	if err != nil {
		return p, fmt.Errorf("its Plan(%s): %w", text(want), err)
	}
	return p, nil
}

// nothingToDo expects an empty plan.
func (r *netRig) nothingToDo(ctx context.Context, when string, want ...plugins.VIP) error {
	p, err := r.plan(ctx, want...)
	if err != nil {
		return fmt.Errorf("%s: %w", when, err)
	}
	if len(p.Steps) > 0 {
		return fmt.Errorf("%s: Plan(%s) has steps: %s", when, text(want), steps(p))
	}
	return nil
}

// observe gives the states by VIP name.
func (r *netRig) observe(ctx context.Context) (map[string]plugins.VIPState, error) {
	ctx, cancel := context.WithTimeout(ctx, r.under.stretched(callTime))
	defer cancel()
	list, err := r.b.Observe(ctx)
	if err != nil {
		return nil, fmt.Errorf("its Observe: %w", err)
	}
	states := map[string]plugins.VIPState{}
	for _, s := range list {
		if _, twice := states[s.Name]; twice {
			return nil, fmt.Errorf("its Observe: VIP %s is there twice", s.Name)
		}
		states[s.Name] = s
	}
	return states, nil
}

// vip makes a VIP with the nth address: IPv4 for even n, IPv6 for odd ones.
func (r *netRig) vip(n int) plugins.VIP {
	v := plugins.VIP{Name: fmt.Sprintf("plugintest%d", n), Link: r.under.Link}
	if n%2 == 0 {
		v.Addr = netip.AddrFrom4([4]byte{198, 51, 100, byte(10 + n/2)})
	} else {
		v.Addr = netip.MustParseAddr(fmt.Sprintf("2001:db8:7e57::%x", 0x10+n/2))
	}
	return v
}

func (r *netRig) vips(n ...int) []plugins.VIP {
	all := make([]plugins.VIP, len(n))
	for i := range n {
		all[i] = r.vip(n[i])
	}
	return all
}

// files reads every file below the folders.
func files(dirs []string) (content map[string]string, written map[string]time.Time, err error) {
	content, written = map[string]string{}, map[string]time.Time{}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return ignoreMissing(err)
			}
			info, err := d.Info()
			if err != nil {
				return ignoreMissing(err)
			}
			var text []byte
			if info.Mode().IsRegular() {
				if text, err = os.ReadFile(path); err != nil {
					return ignoreMissing(err)
				}
			}
			content[path] = fmt.Sprintf("%s\n%s", info.Mode(), text)
			written[path] = info.ModTime()
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return content, written, nil
}

// ignoreMissing: a folder may not be there, and a file may go while we look.
func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func text(want []plugins.VIP) string {
	if len(want) == 0 {
		return "nothing"
	}
	var b strings.Builder
	for i, v := range want {
		if i == 4 {
			fmt.Fprintf(&b, " and %d more", len(want)-i)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s", v.Prefix())
	}
	return b.String()
}

func steps(p plugins.Plan) string {
	var all []string
	for _, s := range p.Steps {
		all = append(all, s.Verb+" "+s.Object)
	}
	return strings.Join(all, "; ")
}

// Package registry gives a backend for a name: one of the built-ins it was made
// with, in this process or in one of its own, or a plugin; chosen by the config
// or, among built-ins, by detection.
package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
)

// Auto is the network backend's name that asks the host.
const Auto = "auto"

// Options are what every backend is given besides its own table.
type Options struct {
	StateDir string // each backend gets a folder of its own below it
	Root     string // another system's root folder, for image builds; empty: this host
	Force    bool   // files of ours that were edited by hand may be replaced
	// Plugins say where plugins are, and how they are run.
	Plugins host.Options
	// Serve are the arguments, before kind and name, with which this program
	// serves a built-in as a plugin. Without them none can be isolated.
	Serve []string
}

// Registry knows the backends of this process.
type Registry struct {
	nets []plugins.NetBackend
	bgps []plugins.BGPBackend
	opts Options
	// configured holds the names of those that were given their settings:
	// that happens once in a backend's life.
	configured map[string]bool

	mu       sync.Mutex // guards the rest: config and status are read from several goroutines
	openNets opened[plugins.NetBackend]
	openBGPs opened[plugins.BGPBackend]
	located  map[string]string   // name to path
	pinAll   bool                // no plugin runs without a pin
	patient  bool                // see KeepTrying
	programs map[string]*os.File // of built-ins in a program of their own; nil: there is none
}

// New makes a registry of the given built-ins.
func New(nets []plugins.NetBackend, bgps []plugins.BGPBackend, o Options) *Registry {
	return &Registry{
		nets: nets, bgps: bgps, opts: o, configured: map[string]bool{},
		openNets: opened[plugins.NetBackend]{}, openBGPs: opened[plugins.BGPBackend]{}, located: map[string]string{}, programs: map[string]*os.File{},
	}
}

// Info tells what the backend of that name can do. Of a plugin, its manifest
// tells: nothing is started.
func (r *Registry) Info(kind plugins.Kind, name string) (plugins.Info, bool) {
	for _, i := range r.infos(kind) {
		if i.Name == name {
			return i, true
		}
	}
	p, err := r.program(kind, name)
	return p.Info(), err == nil
}

// Names are the backends that can be named in the config, sorted.
func (r *Registry) Names(kind plugins.Kind) []string {
	var names []string
	for _, i := range slices.Concat(r.infos(kind), r.plugged(kind)) {
		names = append(names, i.Name)
	}
	sort.Strings(names)
	return slices.Compact(names)
}

// infos are the built-ins.
func (r *Registry) infos(kind plugins.Kind) []plugins.Info {
	var infos []plugins.Info
	if kind == plugins.KindNet {
		for _, b := range r.nets {
			infos = append(infos, b.Info())
		}
		return infos
	}
	for _, b := range r.bgps {
		infos = append(infos, b.Info())
	}
	return infos
}

// OpenNet configures the network backend of that name, or the one that fits
// this host if the name is Auto. why says what spoke for it.
func (r *Registry) OpenNet(ctx context.Context, name string, settings map[string]map[string]any) (b plugins.NetBackend, why string, err error) {
	if name == Auto {
		return r.detect(ctx, settings)
	}
	nb, err := r.readyNet(ctx, name, settings)
	if err != nil {
		return nil, "", err
	}
	d, err := nb.Detect(ctx)
	if err != nil && r.isDown(nb) {
		return nb, "named in the config; its process does not run yet", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("network backend %s: %w", name, err)
	}
	return nb, d.Why, nil
}

// OpenBGP configures the BGP backend of that name.
func (r *Registry) OpenBGP(ctx context.Context, name string, settings map[string]map[string]any) (plugins.BGPBackend, error) {
	own, rest, mistake := split(settings[name])
	if mistake != nil {
		return nil, &SettingsError{Backend: name, Err: mistake}
	}
	if s := r.speaker(name, own); s != nil && !r.Configured(name) {
		// Its process may come up later, and is to find a table without mistakes.
		var ce *plugins.ConfigError
		if err := s.Configure(ctx, plugins.Config{Settings: rest}); errors.As(err, &ce) {
			return nil, &SettingsError{Backend: name, Err: ce}
		} else if err != nil {
			return nil, fmt.Errorf("backend %s: %w", name, err)
		}
	}
	b, err := r.bgp(ctx, name, own)
	if errors.Is(err, host.ErrNone) {
		return nil, fmt.Errorf("no BGP backend is called %q; there are: %s", name, strings.Join(r.Names(plugins.KindBGP), ", "))
	} else if err != nil {
		return nil, err
	}
	return b, r.configure(ctx, b, name, rest)
}

// readyNet gives the network backend of that name, configured.
func (r *Registry) readyNet(ctx context.Context, name string, settings map[string]map[string]any) (plugins.NetBackend, error) {
	own, rest, mistake := split(settings[name])
	if mistake != nil {
		return nil, &SettingsError{Backend: name, Err: mistake}
	}
	b, err := r.net(ctx, name, own)
	if errors.Is(err, host.ErrNone) {
		return nil, fmt.Errorf("no network backend is called %q; there are: %s", name, strings.Join(r.Names(plugins.KindNet), ", "))
	} else if err != nil {
		return nil, err
	}
	return b, r.configure(ctx, b, name, rest)
}

// SettingsError is a mistake in one backend's table, which core/config can place.
type SettingsError struct {
	Backend string
	Err     *plugins.ConfigError
}

func (e *SettingsError) Error() string { return fmt.Sprintf("[backend.%s] %v", e.Backend, e.Err) }
func (e *SettingsError) Unwrap() error { return e.Err }

func (r *Registry) configure(ctx context.Context, b plugins.Backend, name string, settings map[string]any) error {
	if r.configured[name] {
		return nil
	}
	dir, err := r.stateDir(b, name)
	if err != nil {
		return fmt.Errorf("state folder of backend %s: %w", name, err)
	}
	err = b.Configure(ctx, plugins.Config{Settings: settings, StateDir: dir, Root: r.opts.Root, Force: r.opts.Force})
	var ce *plugins.ConfigError
	if errors.As(err, &ce) {
		return &SettingsError{Backend: name, Err: ce}
	}
	if err != nil {
		return fmt.Errorf("backend %s: %w", name, err)
	}
	r.configured[name] = true
	return nil
}

// Configured tells whether the backend of that name has read its table, which
// happens once.
func (r *Registry) Configured(name string) bool { return r.configured[name] }

// Candidate is one network backend's opinion of this host.
type Candidate struct {
	Name string
	plugins.Detection
	Err error
}

// Candidates asks every built-in network backend, the best first. A plugin is
// started only if the config names it.
func (r *Registry) Candidates(ctx context.Context, settings map[string]map[string]any) []Candidate {
	var all []Candidate
	for _, i := range r.infos(plugins.KindNet) {
		c := Candidate{Name: i.Name}
		var b plugins.NetBackend
		if b, c.Err = r.readyNet(ctx, i.Name, settings); c.Err == nil {
			c.Detection, c.Err = b.Detect(ctx)
		}
		all = append(all, c)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Score > all[j].Score })
	return all
}

func (r *Registry) detect(ctx context.Context, settings map[string]map[string]any) (plugins.NetBackend, string, error) {
	all := r.Candidates(ctx, settings)
	var fit []Candidate
	for _, c := range all {
		// Whoever writes a table means that backend: a mistake in it must not
		// hand the host to the next best one.
		var se *SettingsError
		if errors.As(c.Err, &se) {
			return nil, "", c.Err
		}
		if c.Err == nil && c.Score > 0 {
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 || len(fit) > 1 && fit[0].Score == fit[1].Score {
		return nil, "", fmt.Errorf("can't tell which network backend fits this host:%s\n"+
			"name it in the config: [network] backend = \"NAME\": %w", table(all), plugins.ErrUnsupported)
	}
	for _, c := range all {
		if c.Name != fit[0].Name {
			r.release(c.Name)
		}
	}
	b, err := r.readyNet(ctx, fit[0].Name, settings)
	return b, fit[0].Why, err
}

// release ends the process of a network backend that was only asked.
func (r *Registry) release(name string) {
	r.mu.Lock()
	b, ok := r.openNets[name]
	delete(r.openNets, name)
	r.mu.Unlock()
	if ok {
		_ = b.Close()
		delete(r.configured, name) // its next process has read nothing yet
	}
}

func table(all []Candidate) string {
	var b strings.Builder
	for _, c := range all {
		why := c.Why
		if c.Err != nil {
			why = c.Err.Error()
		}
		fmt.Fprintf(&b, "\n  %-16s score %3d  %s", c.Name, c.Score, why)
	}
	return b.String()
}

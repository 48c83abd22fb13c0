package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/host"
)

// Locate says that the plugin of that name is the program at path, whatever
// the plugin folders hold.
func (r *Registry) Locate(name, path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.located[name] = path
}

// RequirePin says whether a plugin without a pin may run.
func (r *Registry) RequirePin(all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pinAll = all
}

// KeepTrying says what becomes of a process that does not come up when it is
// opened: it is tried again and again, as one that has ended, or it is an error.
func (r *Registry) KeepTrying(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.patient = yes
}

// pluginOptions are those of the plugins that are started from now on.
func (r *Registry) pluginOptions() host.Options {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.opts.Plugins
	o.RequirePin, o.KeepTrying = r.pinAll, r.patient
	return o
}

// program gives the plugin of that name and kind, if it may be run.
func (r *Registry) program(kind plugins.Kind, name string) (host.Program, error) {
	r.mu.Lock()
	path, located := r.located[name]
	r.mu.Unlock()
	var p host.Program
	var err error
	if located {
		p, err = host.At(r.pluginOptions(), path)
	} else {
		p, err = host.Find(r.pluginOptions(), name)
	}
	switch {
	case err != nil:
		return host.Program{}, err
	case p.Name != name:
		return host.Program{}, fmt.Errorf("plugin %s: is called %q, and the config calls it %q", p.Path, p.Name, name)
	case p.Kind != kind:
		return host.Program{}, fmt.Errorf("plugin %s: is a %s backend, not a %s backend", p.Path, p.Kind, kind)
	}
	return p, nil
}

// Refused tells why a plugin that is there can't be used; nil if there is none
// of that name, or none of the kind.
func (r *Registry) Refused(kind plugins.Kind, name string) error {
	_, err := r.program(kind, name)
	if errors.Is(err, host.ErrNone) {
		return nil
	}
	return err
}

// plugged are the plugins of one kind that may be run.
func (r *Registry) plugged(kind plugins.Kind) []plugins.Info {
	var infos []plugins.Info
	names := host.Names(r.opts.Plugins)
	r.mu.Lock()
	for n := range r.located {
		names = append(names, n)
	}
	r.mu.Unlock()
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		if p, err := r.program(kind, n); err == nil {
			infos = append(infos, p.Info())
		}
	}
	return infos
}

// isolates tells whether a built-in runs in a process of its own. One that
// needs no rights does unless told otherwise: then it has none.
func (r *Registry) isolates(i plugins.Info, o own) bool {
	if o.isolate != nil {
		return *o.isolate
	}
	return i.Has(plugins.CapUnprivileged) && len(r.opts.Serve) > 0
}

// isolated is the program that serves a built-in as a plugin.
func (r *Registry) isolated(i plugins.Info) (host.Program, error) {
	if len(r.opts.Serve) == 0 {
		return host.Program{}, fmt.Errorf("backend %s: isolate = true needs the stentor program: %w", i.Name, plugins.ErrUnsupported)
	}
	p := host.Own(i, append(slices.Clone(r.opts.Serve), string(i.Kind), i.Name)...)
	if f := r.alone(i.Name); f != nil {
		p = p.In(f)
	}
	if i.Has(plugins.CapUnprivileged) {
		account := host.LeastAccount()
		if log := r.opts.Plugins.Log; log != nil && account.Why != "" {
			log.Info("the process of a backend does not run as the user it should", "backend", i.Name, "user", account.Name, "why", account.Why)
		}
		p = p.Confined(account)
	}
	return p, nil
}

// opened remembers the processes of one interface by the backend's name.
type opened[B plugins.Backend] map[string]B

// get gives the backend: a built-in as it is or in its own process, or a plugin.
func get[B plugins.Backend](r *Registry, all opened[B], builtins []B, kind plugins.Kind, name string, o own,
	open func(host.Program) (B, error)) (b B, err error) {
	r.mu.Lock()
	b, ok := all[name]
	r.mu.Unlock()
	if ok {
		return b, nil
	}
	if o.plugin != "" {
		r.Locate(name, o.plugin)
	}
	var p host.Program
	if i := slices.IndexFunc(builtins, func(b B) bool { return b.Info().Name == name }); i < 0 {
		p, err = r.program(kind, name)
	} else if info := builtins[i].Info(); !r.isolates(info, o) {
		return builtins[i], nil
	} else {
		p, err = r.isolated(info)
	}
	if err != nil {
		return b, err
	}
	if b, err = open(p); err == nil {
		r.mu.Lock()
		all[name] = b
		r.mu.Unlock()
	}
	return b, err
}

func (r *Registry) net(ctx context.Context, name string, o own) (plugins.NetBackend, error) {
	return get(r, r.openNets, r.nets, plugins.KindNet, name, o, func(p host.Program) (plugins.NetBackend, error) {
		return host.OpenNet(ctx, r.pluginOptions(), p)
	})
}

func (r *Registry) bgp(ctx context.Context, name string, o own) (plugins.BGPBackend, error) {
	return get(r, r.openBGPs, r.bgps, plugins.KindBGP, name, o, func(p host.Program) (plugins.BGPBackend, error) {
		opts := r.pluginOptions()
		opts.Background = opts.KeepTrying && r.speaker(name, o) != nil
		return host.OpenBGP(ctx, opts, p)
	})
}

// speaker is the built-in that speaks BGP by itself, in a process of its own;
// nil if that name is not one's.
func (r *Registry) speaker(name string, o own) plugins.BGPBackend {
	for _, b := range r.bgps {
		if i := b.Info(); i.Name == name && i.Has(plugins.CapUnprivileged) && r.isolates(i, o) {
			return b
		}
	}
	return nil
}

// alone is the program that holds one built-in alone, if it is installed: it
// starts sooner, and takes less, than this one. It stays open.
func (r *Registry) alone(name string) *os.File {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, known := r.programs[name]; known {
		return f
	}
	f, err := host.Beside("stentor-" + name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && r.opts.Plugins.Log != nil {
		r.opts.Plugins.Log.Warn("a backend's program is not used, and stentor runs in its place", "backend", name, "why", err)
	}
	r.programs[name] = f
	return f
}

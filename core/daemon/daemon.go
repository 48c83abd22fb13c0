// Package daemon is the running Stentor: it puts the parts together, and deals
// with reloads, signals and the service manager.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/reconcile"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// Options are what a daemon is started with.
type Options struct {
	Config   string // path of the main file
	Socket   string
	StateDir string
	Version  string
	Registry *registry.Registry
	Log      *slog.Logger
}

// Daemon is one running instance.
type Daemon struct {
	Options
	loop   *reconcile.Loop
	drains *reconcile.DrainStore

	reload sync.Mutex // one reload at a time

	speakers  []plugins.BGPBackend // all that were opened; they are closed at the end
	recording sync.Mutex           // guards the next
	outliving *outliving
}

// Run works until ctx ends, which withdraws every route and waits until the
// peers were told; hurry cuts that short. The signals SIGHUP, SIGTERM and
// SIGINT are handled by Signals.
func Run(ctx context.Context, o Options, hurry <-chan struct{}, reloads <-chan os.Signal) error {
	unlock, err := Lock(o.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	cfg, err := Load(o.Config, o.Registry, false, o.Log)
	if err != nil {
		return err
	}
	d := &Daemon{Options: o}
	if d.drains, err = reconcile.OpenDrains(o.StateDir); err != nil {
		return err
	}
	network, why, err := o.Registry.OpenNet(ctx, cfg.Network.Backend, cfg.Backends)
	if err != nil {
		return Locate(cfg, err)
	}
	defer closeBackend(o.Log, network, hurry)
	defer func() {
		for _, b := range d.speakers {
			closeBackend(o.Log, b, hurry)
		}
	}()
	speaker, earlier, err := d.openSpeakers(ctx, cfg)
	if err != nil {
		return err
	}
	kernel, err := host.Open()
	if err != nil {
		return err
	}
	socket, err := control.Listen(o.Socket)
	if err != nil {
		return &control.Error{Kind: control.KindRefused, Message: err.Error()}
	}
	d.loop = reconcile.New(reconcile.Options{
		Net: network, NetWhy: why, BGP: speaker, Earlier: earlier, Left: d.left, Host: kernel, Drains: d.drains,
		Log: o.Log, Version: o.Version, DeriveRouterID: RouterID,
	}, cfg)
	o.Log.Info("starting", "version", o.Version, "network", network.Info().Name, "why", why, "bgp", speaker.Info().Name,
		"vips", len(cfg.VIPs), "peers", len(cfg.BGP.Peers))
	return d.serve(ctx, kernel, func(ctx context.Context) error {
		return control.Serve(ctx, socket, d, o.Log)
	}, hurry, reloads)
}

// serve runs the tasks. The socket and the kernel's events outlive ctx for as
// long as the loop says goodbye.
func (d *Daemon) serve(ctx context.Context, kernel *host.Host, socket func(context.Context) error, hurry <-chan struct{}, reloads <-chan os.Signal) error {
	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRest()
	tasks, failed := errgroup.WithContext(rest)
	stopping, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(failed, cancel) // a task that fails takes the routes with it, in order
	tasks.Go(func() error { return kernel.Run(rest) })
	tasks.Go(func() error { return socket(rest) })
	tasks.Go(func() error { d.tellManager(rest, stopping); return nil })
	tasks.Go(func() error { d.hangups(rest, reloads); return nil })
	tasks.Go(func() error {
		defer stopRest()
		return d.loop.Run(stopping, hurry)
	})
	return tasks.Wait()
}

// hangups reloads on each SIGHUP.
func (d *Daemon) hangups(ctx context.Context, reloads <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-reloads:
			if _, err := d.Reload(ctx); err != nil {
				d.Log.Error("reload refused, the old config stays in force", "error", err)
			}
		}
	}
}

// Reload takes over the config on disk if it is valid, and else changes nothing.
func (d *Daemon) Reload(ctx context.Context) (control.Reloaded, error) {
	d.reload.Lock()
	defer d.reload.Unlock()
	notifyReloading()
	defer notify("READY=1")
	cfg, warnings, err := load(d.Config, d.Registry, false)
	if err != nil {
		return control.Reloaded{}, err
	}
	old, generation := d.loop.Config()
	if err := d.sameBackends(old, cfg); err != nil {
		return control.Reloaded{}, err
	}
	if err := d.swap(ctx, cfg); err != nil {
		return control.Reloaded{}, err
	}
	if !sameConfig(old, cfg) {
		generation = d.loop.SetConfig(cfg)
		d.Log.Info("took over a new config", "generation", generation, "vips", len(cfg.VIPs), "peers", len(cfg.BGP.Peers))
	}
	return control.Reloaded{Generation: generation, Warnings: append([]config.Finding{}, warnings...), Notes: notes(old, cfg)}, nil
}

// sameConfig reports whether two configs say the same, wherever they say it.
func sameConfig(a, b *config.Config) bool {
	return reflect.DeepEqual(a.Network, b.Network) && reflect.DeepEqual(a.BGP, b.BGP) && reflect.DeepEqual(a.VIPs, b.VIPs)
}

// sameBackends refuses what only a restart can change: the network backend,
// and the tables of backends that have read theirs.
func (d *Daemon) sameBackends(old, cfg *config.Config) error {
	var what []string
	if old.Network.Backend != cfg.Network.Backend {
		what = append(what, "[network] backend")
	}
	for _, tables := range []map[string]map[string]any{old.Backends, cfg.Backends} { // one may be gone
		for name := range tables {
			if d.Registry.Configured(name) && !maps.EqualFunc(old.Backends[name], cfg.Backends[name], same) {
				what = append(what, "[backend."+name+"]")
			}
		}
	}
	if len(what) == 0 {
		return nil
	}
	slices.Sort(what)
	what = slices.Compact(what)
	return &control.Error{Kind: control.KindConfig, Message: "a reload can't change " + strings.Join(what, ", ") +
		"; nothing was changed. Restart the daemon instead"}
}

func same(a, b any) bool { return reflect.DeepEqual(a, b) }

// Diff tells what the config on disk would change.
func (d *Daemon) Diff(ctx context.Context) (control.Diff, error) {
	cfg, _, err := load(d.Config, d.Registry, false)
	if err != nil {
		return control.Diff{}, err
	}
	old, _ := d.loop.Config()
	d.reload.Lock()
	defer d.reload.Unlock()
	if err := d.sameBackends(old, cfg); err != nil {
		return control.Diff{}, err
	}
	speaker, err := d.openSpeaker(ctx, cfg, cfg.BGP.Backend)
	if err != nil {
		return control.Diff{}, err
	}
	if d.loop.Status() == nil {
		return control.Diff{}, errors.New("the daemon has not looked at the host yet; try again")
	}
	network, bgp, err := d.loop.Plan(ctx, cfg, speaker)
	return control.Diff{Network: control.Steps(network), BGP: control.Steps(bgp)}, err
}

// Status is the newest snapshot.
func (d *Daemon) Status() *status.Status { return d.loop.Status() }

// Next is closed by the next snapshot.
func (d *Daemon) Next() <-chan struct{} { return d.loop.Next() }

// Drain has the named VIPs, or all, served elsewhere.
func (d *Daemon) Drain(vips []string, until time.Time, reason string) error {
	if err := d.known(vips); err != nil {
		return err
	}
	err := d.drains.Set(vips, reconcile.Drain{Since: time.Now(), Until: until, Reason: reason})
	if err == nil {
		d.Log.Info("drained", "vips", vips, "until", until, "reason", reason)
		d.loop.Wake()
	}
	return err
}

// Undrain takes drains back, also of VIPs that have left the config since.
func (d *Daemon) Undrain(vips []string) error {
	drained := d.drains.At(time.Now()).VIPs
	if err := d.known(slices.DeleteFunc(slices.Clone(vips), func(v string) bool { _, ok := drained[v]; return ok })); err != nil {
		return err
	}
	cfg, _ := d.loop.Config()
	err := d.drains.Clear(vips, names(cfg), time.Now())
	if err == nil {
		d.Log.Info("undrained", "vips", vips)
		d.loop.Wake()
	}
	return err
}

func (d *Daemon) known(vips []string) error {
	cfg, _ := d.loop.Config()
	have := names(cfg)
	for _, v := range vips {
		if !slices.Contains(have, v) {
			return &control.Error{Kind: control.KindConfig, Message: fmt.Sprintf("no VIP is called %q; there are: %s", v, strings.Join(have[:min(len(have), 20)], ", "))}
		}
	}
	return nil
}

func names(c *config.Config) []string {
	all := make([]string, 0, len(c.VIPs))
	for _, v := range c.VIPs {
		all = append(all, v.Name)
	}
	return all
}

// Load reads the config for the backends of r, and logs its warnings.
func Load(path string, r *registry.Registry, offline bool, log *slog.Logger) (*config.Config, error) {
	cfg, warnings, err := load(path, r, offline)
	for _, w := range warnings {
		log.Warn("config", "finding", w.String())
	}
	return cfg, err
}

func load(path string, r *registry.Registry, offline bool) (*config.Config, []config.Finding, error) {
	return config.Load(path, config.Options{Info: r.Info, Names: r.Names, Offline: offline})
}

// Locate places a mistake in a backend's own table at its line.
func Locate(cfg *config.Config, err error) error {
	var se *registry.SettingsError
	if errors.As(err, &se) {
		return cfg.Locate(se.Backend, se.Err)
	}
	return err
}

// Lock takes the state folder for this process, until unlock is called or the
// process ends.
func Lock(stateDir string) (unlock func(), err error) {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	path := filepath.Join(stateDir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		f.Close()
		return nil, &control.Error{Kind: control.KindRefused, Message: fmt.Sprintf(
			"another stentor works on %s; stop it first, or give this one its own --state-dir and --socket", stateDir)}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// closeBackend frees a backend, unless there is no time: the end of the process
// frees it too.
func closeBackend(log *slog.Logger, b plugins.Backend, hurry <-chan struct{}) {
	select {
	case <-hurry:
		return
	default:
	}
	if err := b.Close(); err != nil {
		log.Warn("closing a backend", "backend", b.Info().Name, "error", err)
	}
}

// Package daemon is the running Stentor: it puts the parts together, and deals
// with reloads, signals and the service manager.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/confirm"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/reconcile"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/core/web"
	"github.com/stentor-net/stentor/plugins"
)

// Options are what a daemon is started with.
type Options struct {
	Config string // path of the main file
	// Read gives the config of a caller who has no file; nil: the one at Config.
	Read     func() (*config.Config, []config.Finding, error)
	Socket   string
	StateDir string
	Version  string
	Registry *registry.Registry
	Log      *slog.Logger
	// Guard starts a process that outlives this one and rolls back what nobody
	// confirms.
	Guard func(context.Context) error
}

// Daemon is one running instance.
type Daemon struct {
	Options
	loop    *reconcile.Loop
	drains  *reconcile.DrainStore
	store   confirm.Store
	network string // the network backend's name
	events  *events
	web     *web.Server
	checks  *health.Runner

	reload sync.Mutex                    // one change of the config at a time
	trial  atomic.Pointer[confirm.Trial] // nil: the config is in force for good; changed under reload
	trials chan struct{}                 // there is another trial
	// refusal is why the last reload was refused; nil: it was not.
	refusal atomic.Pointer[string]

	speakers  []plugins.BGPBackend // all that were opened; they are closed at the end
	recording sync.Mutex           // guards the next
	outliving *outliving
}

// Run works until ctx ends, which withdraws every route and waits until the
// peers were told; hurry cuts that short. The signals SIGHUP, SIGTERM and
// SIGINT are handled by Signals.
func Run(ctx context.Context, o Options, hurry <-chan struct{}, reloads <-chan os.Signal) error {
	d := &Daemon{Options: o, store: confirm.Store{Dir: o.StateDir}, trials: make(chan struct{}, 1)}
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	cfg, trial, err := first(o, d.store)
	if err != nil {
		return err
	}
	d.trial.Store(trial)
	if d.drains, err = reconcile.OpenDrains(o.StateDir); err != nil {
		return err
	}
	// A plugin that does not come up must not keep the other backend from its
	// work. After the start there is a config to stay with instead.
	o.Registry.KeepTrying(true)
	latches, err := reconcile.OpenLatches(o.StateDir)
	if err != nil {
		return err
	}
	past, err := o.inherit()
	if err != nil {
		o.Log.Warn("what the run before this one knew of the checks can't be read", "error", err)
	}
	// The speaker first: its process comes up while all else is done.
	defer func() {
		for _, b := range d.speakers {
			closeBackend(o.Log, b, hurry)
		}
	}()
	speaker, err := d.openSpeaker(ctx, cfg, cfg.BGP.Backend)
	if err != nil {
		return err
	}
	network, why, err := o.Registry.OpenNet(ctx, cfg.Network.Backend, cfg.Backends)
	if err != nil {
		return Locate(cfg, err)
	}
	defer closeBackend(o.Log, network, hurry)
	d.network = network.Info().Name
	o.Registry.KeepTrying(false)
	earlier, err := d.openEarlier(ctx, cfg, speaker)
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
	d.openEvents(cfg)
	d.openWeb(cfg)
	d.checks = health.New(o.Log, func() { d.loop.WakeNow() })
	tap := newKernelTap(kernel)
	d.loop = reconcile.New(reconcile.Options{
		Published: d.events.published, Problems: d.problems,
		Net: network, NetWhy: why, BGP: speaker, Earlier: earlier, Left: d.left, Host: tap, Health: d.checks.View, Drains: d.drains, Latches: latches,
		Restarting: d.restarting(), Past: past, Kept: d.bequeath,
		Processes: o.Registry.Processes, Log: o.Log, Version: o.Version, DeriveRouterID: RouterID,
	}, cfg)
	d.checks.Set(cfg.Checks)
	o.Log.Info("starting", "version", o.Version, "network", network.Info().Name, "why", why, "bgp", speaker.Info().Name,
		"vips", len(cfg.VIPs), "peers", len(cfg.BGP.Peers))
	defer d.events.run(o.Log, hurry)()
	return d.serve(ctx, tap, func(ctx context.Context) error {
		return control.Serve(ctx, socket, d, o.Log)
	}, hurry, reloads)
}

// serve runs the tasks. The socket and the kernel's events outlive ctx for as
// long as the loop says goodbye.
func (d *Daemon) serve(ctx context.Context, kernel *kernelTap, socket func(context.Context) error, hurry <-chan struct{}, reloads <-chan os.Signal) error {
	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRest()
	tasks, failed := errgroup.WithContext(rest)
	stopping, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(failed, cancel) // a task that fails takes the routes with it, in order
	tasks.Go(func() error { d.begun(stopping); return nil })
	tasks.Go(func() error { return kernel.Run(rest) })
	tasks.Go(func() error { return socket(rest) })
	tasks.Go(func() error { d.web.Run(rest); return nil })
	tasks.Go(func() error { kernel.follow(rest, d.checks); return nil })
	tasks.Go(func() error { d.feedChecks(stopping); return nil })
	tasks.Go(func() error { return d.checks.Run(rest) })
	tasks.Go(func() error { d.tellManager(rest, stopping); return nil })
	tasks.Go(func() error { d.hangups(rest, reloads); return nil })
	tasks.Go(func() error { return d.watchTrials(rest) })
	tasks.Go(func() error {
		defer stopRest()
		return d.loop.Run(stopping, hurry)
	})
	return tasks.Wait()
}

// Diff tells what the config on disk would change.
func (d *Daemon) Diff(ctx context.Context) (control.Diff, error) {
	cfg, _, err := d.read()
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
func (d *Daemon) Status() *status.Status {
	return withTrial(withResults(d.loop.Status(), d.checks.View()), d.trial.Load())
}

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

// Failback lets the named VIPs, or all, be announced as their role says as soon
// as they are healthy.
func (d *Daemon) Failback(ctx context.Context, vips []string) error {
	if err := d.known(vips); err != nil {
		return err
	}
	err := d.loop.Failback(ctx, vips)
	if err == nil {
		d.Log.Info("failback", "vips", vips)
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
	logWarnings(log, warnings)
	return cfg, err
}

func logWarnings(log *slog.Logger, warnings []config.Finding) {
	for _, w := range warnings {
		log.Warn("config", "finding", w.String())
	}
}

// read gives the config as it is now.
func (o Options) read() (*config.Config, []config.Finding, error) {
	if o.Read != nil {
		return o.Read()
	}
	return load(o.Config, o.Registry, false)
}

func load(path string, r *registry.Registry, offline bool) (*config.Config, []config.Finding, error) {
	return config.Load(path, LoadOptions(r, offline))
}

// LoadOptions has a config checked for the backends of r.
func LoadOptions(r *registry.Registry, offline bool) config.Options {
	return config.Options{Info: r.Info, Names: r.Names, Refused: r.Refused, Locate: r.Locate, RequirePin: r.RequirePin, Offline: offline}
}

// Locate places a mistake in a backend's own table at its line.
func Locate(cfg *config.Config, err error) error {
	var se *registry.SettingsError
	if errors.As(err, &se) {
		return cfg.Locate(se.Backend, se.Err)
	}
	return err
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

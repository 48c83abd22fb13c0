package daemon

import (
	"context"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/confirm"
	"github.com/stentor-net/stentor/core/control"
)

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
func (d *Daemon) Reload(ctx context.Context) (_ control.Reloaded, err error) {
	defer func() {
		d.events.metrics.Reloaded(err)
		d.refused(err)
	}()
	d.reload.Lock()
	defer d.reload.Unlock()
	notifyReloading()
	defer notify("READY=1")
	trial := d.trial.Load()
	if now, err := confirm.Now(); err != nil {
		return control.Reloaded{}, err
	} else if err := trial.InTheWay(now); err != nil {
		return control.Reloaded{}, err
	}
	cfg, warnings, err := d.read()
	if err != nil {
		return control.Reloaded{}, err
	}
	if trial.Rejects(cfg.Texts()) {
		return control.Reloaded{}, &control.Error{Kind: control.KindRefused, Message: "the config on disk was on trial and not confirmed; correct it, or take it as it is with: stentor apply"}
	}
	old, _ := d.loop.Config()
	generation, err := d.takeOver(ctx, cfg)
	if err != nil {
		return control.Reloaded{}, err
	}
	if trial != nil {
		if err := d.setTrial(nil); err != nil {
			return control.Reloaded{}, err
		}
	}
	d.keepGood(cfg)
	return control.Reloaded{Generation: generation, Warnings: append([]config.Finding{}, warnings...), Notes: notes(old, cfg)}, nil
}

// takeOver makes cfg the config in force, and gives its generation.
func (d *Daemon) takeOver(ctx context.Context, cfg *config.Config) (int, error) {
	old, generation := d.loop.Config()
	if err := d.sameBackends(old, cfg); err != nil {
		return 0, err
	}
	if err := d.swap(ctx, cfg); err != nil {
		return 0, err
	}
	d.events.configure(cfg)
	d.web.Listen(cfg.HTTP.Listen)
	d.checks.Set(cfg.Checks)
	if sameConfig(old, cfg) {
		d.loop.Recheck(ctx)
	} else {
		generation = d.loop.SetConfig(cfg)
		d.Log.Info("took over a new config", "generation", generation, "vips", len(cfg.VIPs), "peers", len(cfg.BGP.Peers))
	}
	return generation, nil
}

// sameConfig reports whether two configs say the same, wherever they say it.
func sameConfig(a, b *config.Config) bool {
	return reflect.DeepEqual(a.Network, b.Network) && reflect.DeepEqual(a.BGP, b.BGP) && reflect.DeepEqual(a.VIPs, b.VIPs) &&
		reflect.DeepEqual(a.Checks, b.Checks) && a.HTTP == b.HTTP
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

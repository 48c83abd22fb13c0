// Package once puts the shared IPs on the host without a daemon, and rolls a
// config back that nobody confirmed.
package once

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/confirm"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/core/daemon"
	"github.com/stentor-net/stentor/core/registry"
	"github.com/stentor-net/stentor/core/verify"
	"github.com/stentor-net/stentor/plugins"
)

// Options are what a call works with.
type Options struct {
	Config   string // path of the main file
	StateDir string
	Registry *registry.Registry
	Log      *slog.Logger
	// Image: the registry's root is another system than this one, so there is
	// nothing live to check or to take back.
	Image bool
	// Guard starts the process that rolls the config back.
	Guard func(context.Context) error
	// Confirm is how long the config is on trial; 0: it is in force for good.
	Confirm time.Duration
}

// Done is what Apply did.
type Done struct {
	Network, Why string // the backend
	VIPs         int
	Steps        []plugins.Step
	Trial        *confirm.Trial // nil when the config is in force for good
}

// Apply makes the host hold what the config says, or leaves it as it was.
func Apply(ctx context.Context, o Options) (Done, error) {
	cfg, err := daemon.Load(o.Config, o.Registry, true, o.Log)
	if err != nil {
		return Done{}, err
	}
	unlock, err := daemon.Lock(o.StateDir)
	if err != nil {
		return Done{}, err
	}
	defer unlock()
	a := &applying{Options: o, cfg: cfg, store: confirm.Store{Dir: o.StateDir}}
	if !o.Image {
		if err := a.clear(ctx); err != nil {
			return Done{}, err
		}
	}
	network, why, err := o.Registry.OpenNet(ctx, cfg.Network.Backend, cfg.Backends)
	if err != nil {
		return Done{}, daemon.Locate(cfg, err)
	}
	defer network.Close()
	a.network = network
	want := daemon.HostVIPs(cfg)
	plan, err := network.Plan(ctx, want)
	if err != nil {
		return Done{}, err
	}
	done := Done{Network: network.Info().Name, Why: why, VIPs: len(want), Steps: plan.Steps}
	if o.Image {
		if len(plan.Steps) > 0 {
			err = network.Apply(ctx, want)
		}
		return done, err
	}
	done.Trial, err = a.apply(ctx, want, len(plan.Steps) > 0)
	return done, err
}

// applying is one Apply at work on this host.
type applying struct {
	Options
	cfg     *config.Config
	network plugins.NetBackend
	store   confirm.Store
	earlier *confirm.Trial // what was there when we came
	good    []config.File  // the last good config then
}

// clear deals with a trial that stands in the way.
func (a *applying) clear(ctx context.Context) error {
	now, err := confirm.Now()
	if err != nil {
		return err
	}
	if a.earlier, err = a.store.Trial(); err != nil {
		return err
	}
	if a.earlier.Due(now) || a.Confirm == 0 {
		err = a.earlier.InTheWay(now)
	}
	if err != nil { // its guard may be gone, as after a reboot
		return errors.Join(err, a.Guard(ctx))
	}
	return nil
}

// apply does it, and undoes it when it costs the host something.
func (a *applying) apply(ctx context.Context, want []plugins.VIP, changes bool) (*confirm.Trial, error) {
	held, err := a.held(ctx)
	if err != nil {
		return nil, err
	}
	change := verify.Change{Want: addrs(want), Ours: map[netip.Addr]bool{}}
	for _, v := range slices.Concat(want, held) {
		change.Ours[v.Addr] = true
	}
	look := func() (verify.Snapshot, error) { return verify.Look(daemon.PeerAddrs(a.cfg)) }
	before, err := look()
	if err != nil {
		return nil, err
	}
	var trial *confirm.Trial
	if a.Confirm > 0 {
		trial, err = a.begin(ctx, held)
	} else {
		err = a.forget()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("nothing was changed: %w", err), a.recall())
	}
	if changes {
		if err := a.network.Apply(ctx, want); err != nil {
			return nil, errors.Join(err, a.recall())
		}
	}
	if err := verify.Wait(ctx, before, change, look); err != nil {
		return nil, errors.Join(a.back(ctx, held, err), a.recall())
	}
	if trial == nil {
		a.keepGood(a.cfg.Texts())
	}
	return trial, nil
}

// forget takes off the record what is true no more once this config is in
// force for good. It comes before any change: later, on a disk that takes
// nothing, neither this config nor the one before would be right.
func (a *applying) forget() (err error) {
	if a.good, err = a.store.LastGood(); err != nil {
		a.good = nil // it can't be read, so it is gone anyhow
	}
	if err := a.store.ForgetGood(a.cfg.Texts()); err != nil || a.earlier == nil {
		return err
	}
	return a.store.Save(nil)
}

// recall puts on record again what was there when we came.
func (a *applying) recall() error {
	if a.Confirm > 0 {
		return a.store.Save(a.earlier)
	}
	if len(a.good) > 0 {
		a.keepGood(a.good)
	}
	if a.earlier == nil {
		return nil
	}
	return a.store.Save(a.earlier)
}

func (a *applying) keepGood(files []config.File) {
	if err := a.store.SetLastGood(files); err != nil {
		a.Log.Warn("a later apply --confirm can't go back to the config that is in force now, only to its addresses", "error", err)
	}
}

// back undoes what cost the host something.
func (a *applying) back(ctx context.Context, held []plugins.VIP, cause error) error {
	if err := a.network.Apply(context.WithoutCancel(ctx), held); err != nil {
		return fmt.Errorf("the change cost the host something: %w; it could not be undone: %w", cause, err)
	}
	return fmt.Errorf("the change cost the host something, so it was undone: %w", cause)
}

// begin puts the config on trial. One that is on trial already is followed by
// this one, and the way back stays the same.
func (a *applying) begin(ctx context.Context, held []plugins.VIP) (*confirm.Trial, error) {
	now, err := confirm.Now()
	if err != nil {
		return nil, err
	}
	t := &confirm.Trial{Network: a.network.Info().Name, Held: confirm.Hold(held)}
	switch {
	case a.earlier.On(now) && a.earlier.Network != t.Network:
		return nil, &control.Error{Kind: control.KindRefused, Message: fmt.Sprintf(
			"a config with network backend %s is on trial until %s, and this one uses %s; keep the first: stentor confirm",
			a.earlier.Network, a.earlier.Until(), t.Network)}
	case a.earlier.On(now):
		t.Before, t.Held = a.earlier.Before, a.earlier.Held
	case a.earlier != nil:
		t.Before = a.earlier.Before
	default:
		if t.Before, err = a.store.LastGood(); err != nil {
			return nil, err
		}
	}
	t.Began, t.Deadline, t.Tried = now, now.Add(a.Confirm), a.cfg.Texts()
	if err := a.store.Save(t); err != nil {
		return nil, err
	}
	return t, a.Guard(ctx)
}

// held is what the backend holds now. It knows where an address stands; the
// config that it came from knows where it was asked for.
func (a *applying) held(ctx context.Context) ([]plugins.VIP, error) {
	states, err := a.network.Observe(ctx)
	if err != nil {
		return nil, err
	}
	asked := map[netip.Addr]plugins.VIP{}
	if good, err := a.store.LastGood(); err == nil && len(good) > 0 {
		if old, _, err := config.LoadTexts(good, config.Options{Offline: true}); err == nil {
			for _, v := range daemon.HostVIPs(old) {
				asked[v.Addr] = v
			}
		}
	}
	held := make([]plugins.VIP, 0, len(states))
	for _, s := range states {
		if v, ok := asked[s.Addr]; ok {
			held = append(held, v)
		} else {
			held = append(held, s.VIP)
		}
	}
	return held, nil
}

func addrs(vips []plugins.VIP) []netip.Addr {
	all := make([]netip.Addr, 0, len(vips))
	for _, v := range vips {
		all = append(all, v.Addr)
	}
	return all
}

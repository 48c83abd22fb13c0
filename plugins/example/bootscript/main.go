// Command bootscript is a network backend for hosts whose stack Stentor does
// not know: it keeps the addresses on lo with ip(8), and over a reboot in a
// shell script that the host runs when it boots.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/stentor-net/stentor/plugins"
)

// defaultScript is run at boot by OpenRC's service local, as on Alpine.
const defaultScript = "/etc/local.d/stentor.start"

func main() {
	plugins.ServeNet(func(log *slog.Logger) plugins.NetBackend { return &backend{log: log} })
}

// backend is a plugins.NetBackend. All that it knows stands in the script.
type backend struct {
	log    *slog.Logger
	config plugins.Config
	script string
	mu     sync.Mutex // Watch, which runs beside the other calls, waits for the end of an Apply
}

func (b *backend) Info() plugins.Info {
	return plugins.Info{
		Name: "bootscript", Version: "1.0", API: plugins.APIVersion,
		Kind: plugins.KindNet, Caps: []plugins.Cap{plugins.CapPersist},
	}
}

func (b *backend) Configure(_ context.Context, c plugins.Config) error {
	settings := struct {
		Script string `json:"script"`
	}{defaultScript}
	if err := c.Decode(&settings); err != nil {
		return err
	}
	if !filepath.IsAbs(settings.Script) {
		return &plugins.ConfigError{Key: "script", Msg: "must be an absolute path", Hint: "as " + defaultScript}
	}
	b.config, b.script = c, filepath.Join(c.Root, settings.Script)
	return nil
}

func (b *backend) Detect(context.Context) (plugins.Detection, error) {
	const service = "/etc/runlevels/default/local"
	if _, err := os.Stat(filepath.Join(b.config.Root, service)); err != nil {
		return plugins.Detection{Why: "no OpenRC runs the scripts of /etc/local.d at boot; on Alpine: rc-update add local",
			Signals: []plugins.Signal{{Name: service, Value: "missing"}}}, nil
	}
	return plugins.Detection{Score: 50, Why: "OpenRC runs the scripts of /etc/local.d at boot",
		Signals: []plugins.Signal{{Name: service, Value: "present"}}}, nil
}

// change is what Plan tells and Apply does.
type change struct {
	have, next  script
	add, remove []netip.Addr
}

func (c change) none() bool {
	return len(c.add)+len(c.remove) == 0 && c.have.text == c.next.text
}

// compare tells what keeps the host from holding exactly want.
func (b *backend) compare(ctx context.Context, want []plugins.VIP) (c change, err error) {
	if err := ctx.Err(); err != nil {
		return c, err
	}
	if c.have, err = readScript(b.script); err != nil {
		return c, err
	}
	if c.have.edited && !b.config.Force {
		return c, fmt.Errorf("%s was edited by hand, and is kept as it is; take the edit back, or run: stentor apply --force: %w", b.script, plugins.ErrForeign)
	}
	var live map[netip.Addr]string
	if b.config.Root == "" {
		if live, err = addresses(); err != nil {
			return c, err
		}
	}
	var next []entry
	for _, v := range want {
		if v.Link != "lo" {
			return c, fmt.Errorf("VIP %s is for the link %s; bootscript knows lo alone: %w", v.Name, v.Link, plugins.ErrUnsupported)
		}
		old, known := c.have.find(v.Addr)
		present := live[v.Addr] != ""
		next = append(next, entry{name: v.Name, addr: v.Addr, adopted: present && (!known || old.adopted)})
		if !present && b.config.Root == "" {
			c.add = append(c.add, v.Addr)
		}
	}
	if c.next, err = newScript(next); err != nil {
		return c, err
	}
	for _, e := range c.have.entries {
		if _, stays := c.next.find(e.addr); !stays && !e.adopted && live[e.addr] == "lo" {
			c.remove = append(c.remove, e.addr)
		}
	}
	return c, nil
}

func (b *backend) Plan(ctx context.Context, want []plugins.VIP) (p plugins.Plan, err error) {
	c, err := b.compare(ctx, want)
	if err != nil {
		return p, err
	}
	if c.have.text != c.next.text {
		verb := "change"
		if c.have.text == "" {
			verb = "add"
		} else if c.next.text == "" {
			verb = "remove"
		}
		p.Steps = append(p.Steps, plugins.Step{Verb: verb, Object: b.script, Diff: diff(b.script, c.have.text, c.next.text)})
	}
	for _, a := range c.add {
		p.Steps = append(p.Steps, plugins.Step{Verb: "add", Object: "address " + host(a).String() + " on lo"})
	}
	for _, a := range c.remove {
		p.Steps = append(p.Steps, plugins.Step{Verb: "remove", Object: "address " + host(a).String() + " on lo"})
	}
	return p, nil
}

// Apply leaves the host as it was if a step fails. If it is cut off, by the
// end of its context or of its process, the next one goes on from what is there.
func (b *backend) Apply(ctx context.Context, want []plugins.VIP) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, err := b.compare(ctx, want)
	if err != nil || c.none() {
		return err
	}
	if c.have.edited {
		if err := c.have.save(b.config.StateDir); err != nil {
			return err
		}
	}
	var undo []func() error
	defer func() {
		if err == nil || ctx.Err() != nil {
			return
		}
		for _, u := range slices.Backward(undo) {
			err = errors.Join(err, u())
		}
	}()
	// An address stands in the script before it is on the host, and until it
	// is off: who finds one there later knows that it is ours.
	both, err := c.have.with(c.next)
	if err != nil {
		return err
	}
	undo = append(undo, func() error { return c.have.write(b.script) })
	if err := both.write(b.script); err != nil {
		return err
	}
	for _, a := range c.add {
		if err := ip(ctx, "add", a); err != nil {
			return err
		}
		undo = append(undo, func() error { return ip(context.WithoutCancel(ctx), "del", a) })
	}
	for _, a := range c.remove {
		if err := ip(ctx, "del", a); err != nil {
			return err
		}
		undo = append(undo, func() error { return ip(context.WithoutCancel(ctx), "add", a) })
	}
	b.log.Debug("applied", "script", b.script, "added", len(c.add), "removed", len(c.remove))
	return c.next.write(b.script)
}

func (b *backend) Observe(ctx context.Context) ([]plugins.VIPState, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := readScript(b.script)
	if err != nil {
		return nil, err
	}
	live, err := addresses()
	if err != nil {
		return nil, err
	}
	var states []plugins.VIPState
	for _, e := range s.entries {
		v := plugins.VIPState{VIP: plugins.VIP{Name: e.name, Addr: e.addr, Link: "lo"}, OnHost: live[e.addr] == "lo", Adopted: e.adopted}
		if !v.OnHost {
			v.Drift = e.addr.String() + " is not on lo"
		} else if s.edited {
			v.Drift = b.script + " was edited by hand"
		}
		states = append(states, v)
	}
	return states, nil
}

// Watch looks whenever an address of the host moves.
func (b *backend) Watch(ctx context.Context, changed func(plugins.Change)) error {
	return onAddressChange(ctx, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		states, err := b.Observe(ctx)
		for _, s := range states {
			if !s.OnHost {
				changed(plugins.Change{Object: s.Name, Why: s.Drift, Lost: true})
			}
		}
		return err
	})
}

// Close has nothing to free.
func (b *backend) Close() error { return nil }
